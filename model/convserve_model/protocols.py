"""The three immutable things that everything is made of: a layer describes, a kernel computes, a run asks.

Inside the library arrays are C, H, W, N (channels, height, width, batch innermost) or F, N after flattening.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Pair = tuple[int, int]
Params = Mapping[str, Any]  # arrays, or what a kernel packed of them
Check = Callable[[], None]  # called now and then by what may take long; it may raise
Call = Callable[[], Any]
Empty = Callable[[Shape, Any], Array]  # like np.empty
Plan = tuple[Array, list[Call]]  # a buffer, and the calls that fill it from what the operands hold then
WHOLE = -1  # the part of a plan that all its parts read


class Sides(NamedTuple):
    """Parts of a microbatch that may be made at once, an ordered map over threads that does it, and what makes them
    beside what follows: where there are fewer microbatches than threads."""

    most: int
    map: Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
    begin: "Callable[[Work], None] | None" = None


class Work(Protocol):
    """What several threads may be at."""

    def work(self) -> None:
        """Does what nobody else has begun."""
        ...


ONE = Sides(1, map)  # after the other


class Backward(NamedTuple):
    """Gradients of one kernel, and the calls that fill them from dL/dy and what the forward calls left.

    Those for `later` may be made beside what follows; what they read stays as it is until then.
    """

    dxs: tuple[Array | None, ...]  # of the operands; None for what `Run` does not need
    calls: list[Call]
    dparams: dict[str, Array]  # of the parameters; the calls put them in
    later: "Later | None" = None


class Later(NamedTuple):
    """One or more parts that may be made side by side, and what is made after the last of them."""

    parts: list[list[Call]]
    after: list[Call]


Adjoint = Callable[[Array], Backward]


class Forward(NamedTuple):
    """A kernel's result, the calls that fill it from what the operands hold then, and the adjoint: from the buffer
    for dL/dy to what fills the gradients. The adjoint is asked once at most."""

    y: Array
    calls: list[Call]
    adjoint: Adjoint


def nothing() -> None:
    """A check that lets everything pass."""


@dataclass(frozen=True)
class Spec:
    """One tensor of a layer: PyTorch's shape, its initial values, and whether training moves it (else a buffer).

    `bound` None means the constant `fill`; otherwise U(-bound, bound), PyTorch's default for weights and biases.
    """

    shape: Shape
    bound: float | None = None
    fill: float = 0.0
    trainable: bool = True
    dtype: str = "float"  # "float": the network's; else a NumPy name


class Run(NamedTuple):
    """All that a kernel may know beyond its operands: what backward will be asked for, and what it may use."""

    need: tuple[bool, ...]
    need_params: bool
    random: Callable[[], "np.random.Generator"]
    empty: Empty  # memory for results
    space: Callable[[int], WorkSpace]  # for a part of the plan (or WHOLE), from its start; others may run beside it
    apart: Callable[[int], WorkSpace]  # the same for what comes later: nobody else writes there until then
    sides: Sides = ONE  # threads that idle
    overwrite: bool = False  # the first operand is nobody else's any more
    spend: bool = False  # dL/dy is nobody else's
    moves: bool = False  # other arrays may lie in the parameters when the calls are made again
    out: Array | None = None  # where the result must go; only followers of a convolution are given one
    into: Mapping[str, Array] = {}  # where gradients of parameters may go, when the calls are made

    @property
    def backward(self) -> bool:
        """Whether the adjoint of this kernel will be asked."""
        return self.need_params or any(self.need)

    @property
    def defers(self) -> bool:
        """Whether gradients of parameters may come later, beside what follows."""
        return self.need_params and self.sides.begin is not None


class Packed(NamedTuple):
    """Parameters as a kernel likes them, the calls that make them so, and those that its backward alone needs."""

    params: Params
    calls: list[Call]
    backward: Sequence[Call] = ()


class Kernel(Protocol):
    """A computation on arrays of one microbatch. Frozen; its operands are read-only; its result is new or a view.

    A class may say `overwrites` (it writes over its first operand where `run.overwrite` lets it), `gives_away` (its
    result is new, and its backward does not need it), `forgets` (its backward does not need its operand) and `fresh`
    (nobody else holds the gradients that it gives, though one may lie over the gradient that it got, where `run.spend`
    lets it).
    """

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        """What is to be decided is decided here, once; then the calls may be made again and again.

        Where `run.moves`, other arrays may lie in `w` when the calls are made again, but for what `pack` made: that
        is written over.
        """
        ...


class Packing(Kernel, Protocol):
    """A kernel that prepares its parameters once for all microbatches (and in inference once for a snapshot)."""

    def pack(self, w: Params, *, need: bool, moves: bool) -> Packed:
        """What `plan` gets as w, once the calls are made.

        `need` tells whether the gradient with respect to its input will be asked for; `moves` that other arrays may lie
        in w when the calls are made again.
        """
        ...


class Reduced(Kernel, Protocol):
    """A kernel whose results are combined over the microbatches, in order, before anybody reads them."""

    reduced: ClassVar[bool] = True
    buffers: ClassVar[tuple[str, ...]]  # what `update` reads and gives

    def combine(self, parts: list[Array]) -> tuple[Array, Callable[[Array], list[Array]]]:
        """The whole batch's value, and the adjoint: its gradient -> one gradient for each part."""
        ...

    @staticmethod
    def update(kernels: "Sequence[Any]", buffers: Sequence[Params], values: Sequence[Array]) -> list[Params]:
        """Buffers after one optimizer step that saw these values, of all kernels of this class at once."""
        ...


class Layer(Protocol):
    """A frozen dataclass of hyperparameters under PyTorch's names; shapes are per sample, without the batch."""

    def output(self, *shapes: Shape) -> Shape:
        """The output's shape; ShapeError says what was needed."""
        ...

    def weights(self, *shapes: Shape) -> dict[str, Spec]:
        """Parameters and buffers under PyTorch's names."""
        ...

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        """How to compute it for microbatches of n: each kernel reads the layer's inputs and the result of the
        kernel before it; no kernel means that the input is passed on."""
        ...
