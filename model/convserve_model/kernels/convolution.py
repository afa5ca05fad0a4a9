"""Convolution strip by strip: a strip of output rows is computed, and finished by what follows, while it is in the
cache.

How products are formed is the paths' business: one each for the output, the weight's gradient and the input's.
"""

from functools import partial
from math import prod
from typing import Any, ClassVar, cast

import numpy as np

from convserve_model.calls import result, together
from convserve_model.kernels.blocks import Block, Part, blocks, strips
from convserve_model.kernels.costs import Shapes, cheapest, cheapest_shared, cheapest_turned, col2im_cost
from convserve_model.kernels.differentiation import Differentiation, rotated
from convserve_model.kernels.parameters import Parameter, fixed
from convserve_model.kernels.paths import Differentiable, Path, Turning
from convserve_model.kernels.paths.im2col import Im2col
from convserve_model.kernels.pooling import MaxPool
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Backward, Call, Forward, Kernel, Packed, Params, Plan, Run, Shape
from convserve_model.remembered import remembered
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace


@dataclass(frozen=True)
class Convolution:
    """Cross-correlation with weight [Cout,Cin/groups,kh,kw] and bias [Cout], PyTorch's Conv2d, and its followers.

    A follower reads the strip before it: an elementwise kernel, or a pool whose windows do not overlap. Bits are those
    of the followers by themselves. `input_path` None means the adjoint of im2col (col2im). `shares`: where both
    gradients are asked for, the weight's reads what the path of the input's makes of dL/dy.
    """

    window: Window
    groups: int
    path: Path
    weight_path: Differentiable
    input_path: Path | None
    shares: bool = False
    followers: tuple[Kernel, ...] = ()
    fresh: ClassVar[bool] = True

    @property
    def gives_away(self) -> bool:
        """Whether backward does not need the result (see `Op.overwrite`)."""
        return not self.followers

    @classmethod
    def chosen(cls, shapes: Shapes) -> "Convolution":
        """With the cheapest paths for these shapes."""
        path, _ = cheapest(shapes)
        weight_path, weight_price = cheapest(shapes, weight=True)
        gradient = cls.gradient_shapes(shapes)
        input_path, price = (None, 0.0) if gradient is None else cheapest_turned(gradient)
        if col2im_cost(shapes) < price:
            input_path, price = None, col2im_cost(shapes)
        differentiable = cast(Differentiable, weight_path)
        if gradient is not None:
            shared, shared_price = cheapest_shared(gradient)
            if shared_price < price + weight_price:
                return cls(shapes.window, shapes.groups, path, differentiable, shared, shares=True)
        return cls(shapes.window, shapes.groups, path, differentiable, input_path)

    @staticmethod
    def gradient_shapes(shapes: Shapes) -> Shapes | None:
        """Of the convolution that gives the input's gradient; None where there is none."""
        window = shapes.window.adjoint()
        if window is None:
            return None
        return Shapes(window, shapes.groups, shapes.cout, shapes.cin, window.input(*shapes.size), shapes.n)

    def pack(self, w: Params, *, need: bool, moves: bool) -> Packed:
        """Weights as the paths like them."""
        weight = Parameter(w, "weight", moves=moves)
        packed: dict[str, Any] = {"shape": weight.shape}
        packed["path"], calls = self.path.pack(weight)
        if "bias" in w:
            bias, more = Parameter(w, "bias", moves=moves).still()
            packed["bias"] = bias[:, None, None, None]
            calls += more
        if not need:
            return Packed(packed, calls)
        if self.input_path is None:
            packed["columns"], turning = Im2col(self.window, self.groups).pack(weight)
        else:
            packed["input_path"], turning = _turned(self.input_path, weight, self.groups)
        return Packed(packed, calls, turning)

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        """x [Cin,H,W,N] -> y [Cout,ho,wo,N], or what the followers make of it; blocks side by side."""
        (x,) = xs
        shape, final, blocks = self._cut(x.shape, w["shape"][0])
        y = result(run, final, x.dtype)
        parts: list[Part] = []
        calls: list[list[Call]] = []
        for block in blocks:
            parts.append(Part(len(parts), block, run))
            calls.append(self._finished(w, x, parts[-1], shape, y))

        def adjoint(dy: Array) -> Backward:
            return Differentiation.of(self, w, x, shape, run).plan(dy, parts)

        return Forward(y, together(run, calls), adjoint)

    def _finished(self, w: Params, x: Array, part: Part, shape: Shape, y: Array) -> list[Call]:
        """A block's strips, and what follows."""
        block = part.block
        out = y[:, block.rows.start : block.rows.stop]
        if self.followers:  # which do not read y
            empty = part.place.space.empty if getattr(self.followers[0], "forgets", False) else part.place.empty
            out = empty((shape[0], len(block.rows), *shape[2:]), y.dtype)
        calls = self._products(w, x, block, out, part.place.space)
        places = [None] * (len(self.followers) - 1) + [y[:, block.finished.start : block.finished.stop]]
        for kernel, params, place in zip(self.followers, w.get("followers", ()), places, strict=False):
            out, more, adjoint = kernel.plan(params, out, run=part.run._replace(out=place))
            calls += more
            part.adjoints.append(adjoint)
        return calls

    def _products(self, w: Params, x: Array, block: Block, out: Array, space: WorkSpace) -> list[Call]:
        """The block's strips into out, one after the other."""
        calls, start = [], space.used
        for rows in block.strips:
            space.used = start
            strip, padding = self.path.strip(x, rows, space)
            operand, making = self.path.operand(strip, space)
            target = out[:, rows.start - block.rows.start : rows.stop - block.rows.start]
            calls += padding + making + self.path.correlate(w["path"], operand, target, space)
        if "bias" in w:
            calls.append(partial(np.add, out, w["bias"], out))
        return calls

    @remembered
    def _cut(self, x: Shape, cout: int) -> tuple[Shape, Shape, list[Block]]:
        """(shape before the followers, shape after them, blocks) for x of a shape."""
        shape = (cout, *self.window.output(*x[1:3]), x[3])
        pools = [kernel.window for kernel in self.followers if isinstance(kernel, MaxPool)]
        merged = prod(pool.size[0] for pool in pools)  # rows that become one
        final = shape
        for pool in pools:
            final = (final[0], *pool.output(*final[1:3]), final[3])
        return shape, final, blocks(strips(self.path, self.groups, x[0], shape), merged, final[1])


def _turned(path: Path, weight: Parameter, groups: int) -> Plan:
    """Weights as the path of the input's gradient likes them."""
    if isinstance(path, Turning):
        return path.pack_turned(weight)
    cout, c, *size = weight.shape
    straight = np.empty((groups, c, cout // groups, *size), weight.dtype)  # BLAS takes no negative strides
    packed, calls = path.pack(fixed(straight.reshape(-1, *straight.shape[2:])))
    return packed, [lambda: np.copyto(straight, rotated(weight.now(), groups)), *calls]
