"""Ways to form a convolution's products: output rows from a strip of x, and some the weight's gradient."""

from typing import Protocol, runtime_checkable

from convserve_model.kernels.parameters import Parameter
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Call, Empty, Plan, Shape
from convserve_model.workspace import WorkSpace


class Path(Protocol):
    """Frozen and pure; arrays are C,H,W,N."""

    @property
    def window(self) -> Window: ...

    def pack(self, weight: Parameter) -> Plan:
        """[Cout,Cin/g,kh,kw] as `correlate` needs it, once for many strips; a view where that will do."""
        ...

    def strip(self, x: Array, rows: range, space: WorkSpace) -> Plan:
        """What these output rows see of x, with the padding."""
        ...

    def operand(self, strip: Array, space: WorkSpace) -> Plan:
        """A strip as both products read it."""
        ...

    def correlate(self, packed: Array, operand: Array, out: Array, space: WorkSpace) -> list[Call]:
        """The calls that fill out [Cout,rows,wo,N]."""
        ...


@runtime_checkable
class Turning(Path, Protocol):
    """A path that needs no copy of the weights turned by half a turn."""

    def pack_turned(self, weight: Parameter) -> Plan:
        """`pack` of what `rotated` makes of [Cout,Cin,kh,kw], without groups."""
        ...


class Differentiable(Path, Protocol):
    """A path that gives the weight's gradient too."""

    def weight_gradient(self, operand: Array, dout: Array, space: WorkSpace, empty: Empty) -> Plan:
        """The strip's part of dL/dweight, in a shape of its own and in `empty` memory; dout [Cout,rows,wo,N]."""
        ...

    def unpack(self, total: Array, shape: Shape) -> Array:
        """The sum of `weight_gradient` over all strips as dL/dweight of `shape`."""
        ...
