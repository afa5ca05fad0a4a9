"""Convolution strip by strip: a strip of output rows is computed, and finished by what follows, while it is in the
cache; backward takes what follows back block by block, and then each gradient in strips of its own.

How products are formed is the paths' business: one each for the output, the weight's gradient and the input's.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from math import prod
from typing import Any, ClassVar, cast

import numpy as np

from convserve_model import workspace
from convserve_model.calls import done, make, together
from convserve_model.kernels.costs import Shapes, cheapest, cheapest_shared, col2im_cost, rows_of_strip
from convserve_model.kernels.paths import Differentiable, Path
from convserve_model.kernels.paths.im2col import Im2col
from convserve_model.kernels.pooling import MaxPool
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Backward, Call, Gradients, Kernel, Params, Plan, Planning, Run, Shape
from convserve_model.remembered import remembered
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
        input_path, price = (None, 0.0) if gradient is None else cheapest(gradient)
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

    def pack(self, w: Params, *, need: bool) -> Params:
        """Weights as the paths like them."""
        packed = {**w, "path": self.path.pack(w["weight"])}
        if need:
            if self.input_path is None:
                packed["columns"] = self._im2col.pack(w["weight"])
            else:
                rotated = np.ascontiguousarray(_rotated(w["weight"], self.groups))  # BLAS takes no negative strides
                packed["input_path"] = self.input_path.pack(rotated)
        if "bias" in w:
            packed["bias"] = w["bias"][:, None, None, None]
        return packed

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [Cin,H,W,N] -> y [Cout,ho,wo,N], or what the followers make of it."""
        (x,) = xs
        shape, final, blocks = self._cut(x.shape, len(w["weight"]))
        y = np.empty(final, x.dtype)
        inner = Run((run.need[0] or run.need_params,), False, run.random, run.map, overwrite=True, spend=run.spend)

        def finish(block: Block) -> list[Backward]:
            out = self._before(shape, block, y, np.empty)  # closures keep it
            make(self._products(w, x, block, out, workspace.own()))
            closures = []
            for kernel, params, its in self._following(w, y, block, inner):
                out, closure = kernel.forward(params, out, run=its)
                closures.append(closure)
            return closures

        closures = list(run.map(finish, blocks))

        def backward(dy: Array) -> Gradients:
            dout, spaced = self._unfollowed(x, dy, shape, list(zip(blocks, closures, strict=True)), run)
            grads = {}
            if run.need_params and "bias" in w:
                grads["bias"] = spaced.sum(axis=(1, 2, 3))
            if run.need_params and not (self.shares and run.need[0]):
                grads["weight"] = self._weight_gradient(x, spaced, w["weight"].shape, run)
            if not run.need[0]:
                return (None,), grads
            if self.input_path is None:
                return (self._scatter(w["columns"], x, spaced),), grads
            dx, dweight = self._correlate_input(w["input_path"], x, dout, run)
            return (dx,), grads if dweight is None else {**grads, "weight": dweight}

        return y, backward

    def plan(self, w: Params, *xs: Array, run: Run) -> Plan:
        """The blocks' calls; those of several blocks side by side."""
        (x,) = xs
        shape, final, blocks = self._cut(x.shape, len(w["weight"]))
        y = run.empty(final, x.dtype)

        def calls(block: Block, space: WorkSpace) -> list[Call]:
            out = self._before(shape, block, y, space.empty)
            made = self._products(w, x, block, out, space)
            inner = Run((False,), False, run.random, overwrite=True, empty=space.empty, space=lambda part: space)
            for kernel, params, its in self._following(w, y, block, inner):
                out, more = cast(Planning, kernel).plan(params, out, run=its)
                made += more
            return made

        return y, together(run.map, [calls(block, run.space(part)) for part, block in enumerate(blocks)])

    def _before(self, shape: Shape, block: "Block", y: Array, empty: Callable[[Shape, Any], Array]) -> Array:
        """Where a block goes before the followers: into y itself where there are none."""
        if not self.followers:
            return y[:, block.rows.start : block.rows.stop]
        return empty((shape[0], len(block.rows), *shape[2:]), y.dtype)

    def _products(self, w: Params, x: Array, block: "Block", out: Array, space: WorkSpace) -> list[Call]:
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

    def _following(self, w: Params, y: Array, block: "Block", inner: Run) -> "Iterator[tuple[Kernel, Params, Run]]":
        """The followers; the last one's result goes into y."""
        last = inner._replace(out=y[:, block.finished.start : block.finished.stop])
        runs = [*[inner] * (len(self.followers) - 1), last]
        yield from zip(self.followers, w.get("followers", ()), runs[: len(self.followers)], strict=True)

    @remembered
    def _cut(self, x: Shape, cout: int) -> "tuple[Shape, Shape, list[Block]]":
        """(shape before the followers, shape after them, blocks) for x of a shape."""
        shape = (cout, *self.window.output(*x[1:3]), x[3])
        pools = [kernel.window for kernel in self.followers if isinstance(kernel, MaxPool)]
        merged = prod(pool.size[0] for pool in pools)  # rows that become one
        final = shape
        for pool in pools:
            final = (final[0], *pool.output(*final[1:3]), final[3])
        return shape, final, _blocks(self._strips(self.path, x[0], shape), merged, final[1])

    def _unfollowed(
        self, x: Array, dy: Array, shape: Shape, blocks: "list[tuple[Block, list[Backward]]]", run: Run
    ) -> tuple[Array, Array]:
        """dL/d(output before the followers) as `_correlate_input` reads it, and without the stride's zeros."""
        strided = self.window.stride != (1, 1) and self.input_path is not None and run.need[0]
        if not self.followers and not strided:
            return dy, dy
        extents = self._adjoint.input(*x.shape[1:3]) if strided else shape[1:3]
        dout = (np.zeros if strided else np.empty)((shape[0], *extents, shape[3]), dy.dtype)
        sh, sw = self.window.stride if strided else (1, 1)
        spaced = dout[:, ::sh, ::sw][:, : shape[1], : shape[2]]

        def unfollow(known: "tuple[Block, list[Backward]]") -> None:
            block, closures = known
            d = dy[:, block.finished.start : block.finished.stop]
            for closure in reversed(closures):
                (d,), _ = closure(d)  # type: ignore[assignment]
            spaced[:, block.rows.start : block.rows.stop] = d

        for _ in run.map(unfollow, blocks):
            pass
        return dout, spaced

    def _weight_gradient(self, x: Array, dout: Array, shape: Shape, run: Run) -> Array:
        path = self.weight_path

        def differentiate(rows: range) -> Array:
            space = workspace.own()
            operand = done(path.operand(done(path.strip(x, rows, space)), space))
            return path.weight_gradient(operand, np.ascontiguousarray(dout[:, rows.start : rows.stop]))

        return path.unpack(_summed(run.map(differentiate, self._strips(path, len(x), dout.shape))), shape)

    def _correlate_input(self, packed: Array, x: Array, dout: Array, run: Run) -> tuple[Array, Array | None]:
        """dL/dx as the convolution of dL/dy, the stride's zeros in between, with the rotated weight.

        And dL/dweight, where columns are shared: of that convolution with x as the gradient of its output, turned back.
        """
        assert self.input_path is not None
        path, dx, shares = self.input_path, np.empty(x.shape, x.dtype), self.shares and run.need_params

        def correlate(rows: range) -> Array | None:
            space = workspace.own()
            operand = done(path.operand(done(path.strip(dout, rows, space)), space))
            make(path.correlate(packed, operand, dx[:, rows.start : rows.stop], space))
            if not shares:
                return None
            given = np.ascontiguousarray(x[:, rows.start : rows.stop])
            return cast(Differentiable, path).weight_gradient(operand, given)

        parts = list(run.map(correlate, self._strips(path, len(dout), x.shape)))
        if not shares:
            return dx, None
        rotated = cast(Differentiable, path).unpack(
            _summed(parts), (len(x), len(dout) // self.groups, *self.window.size)
        )
        return dx, _rotated(rotated, self.groups)

    def _scatter(self, packed: Array, x: Array, dout: Array) -> Array:
        """dL/dx by col2im, strips in order: they overlap."""
        (ph, pw), (c, h, w, n) = self.window.padding, x.shape
        dpadded = np.zeros((c, h + 2 * ph, w + 2 * pw, n), x.dtype)
        for rows in self._strips(self._im2col, len(x), dout.shape):
            columns = self._im2col.input_columns(packed, dout[:, rows.start : rows.stop])
            self.window.scatter(columns, dpadded, rows)
        return self.window.crop(dpadded)

    @cached_property
    def _adjoint(self) -> Window:
        found = self.window.adjoint()
        assert found is not None
        return found

    @cached_property
    def _im2col(self) -> Im2col:
        return Im2col(self.window, self.groups)

    def _strips(self, path: Path, cin: int, shape: Shape) -> list[range]:
        """Rows of the output [Cout,ho,wo,N], cut by its shape and the path alone: never by the followers."""
        cout, ho, wo, n = shape
        step = rows_of_strip(path, self.groups, cin, cout, ho, wo, n)
        return [range(start, min(start + step, ho)) for start in range(0, ho, step)]


@dataclass(frozen=True)
class Block:
    """Strips whose rows the followers make into whole rows."""

    strips: list[range]
    rows: range
    finished: range


def _blocks(strips: list[range], merged: int, finished: int) -> list[Block]:
    """The fewest strips in each block; `merged` rows become one, and the last block has what is left over."""
    blocks: list[Block] = []
    first = 0
    for position, strip in enumerate(strips):
        remaining = finished - strip.stop // merged
        if (strip.stop % merged and remaining) or (not remaining and position < len(strips) - 1):
            continue
        some = strips[first : position + 1]
        rows = range(some[0].start, strip.stop)
        blocks.append(Block(some, rows, range(rows.start // merged, strip.stop // merged)))
        first = position + 1
    return blocks


def _summed(parts: Iterable[Any]) -> Array:
    """In order, over the first."""
    total, *others = parts
    for part in others:
        total += part
    return np.asarray(total)


def _rotated(weight: Array, groups: int) -> Array:
    """[Cout,Cin/g,kh,kw] -> [Cin,Cout/g,kh,kw], turned by half a turn; its own inverse."""
    cout, c, kh, kw = weight.shape
    turned = weight[:, :, ::-1, ::-1].reshape(groups, cout // groups, c, kh, kw)
    return turned.swapaxes(1, 2).reshape(groups * c, cout // groups, kh, kw)
