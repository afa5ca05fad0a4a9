"""The gradients of a convolution: what follows it is taken back block by block, then each gradient goes strip by strip.

The weight's gradient of a strip is a product of its operand and dL/dy; the input's gradient is a convolution of dL/dy
with the rotated weight, or the adjoint of im2col. Where both read the same columns these are made once.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from convserve_model.calls import contiguous, given, together
from convserve_model.kernels.blocks import Part, strips
from convserve_model.kernels.paths import Differentiable, Path
from convserve_model.kernels.paths.im2col import Im2col
from convserve_model.protocols import Array, Backward, Call, Empty, Params, Plan, Run, Shape
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace

if TYPE_CHECKING:
    from convserve_model.kernels.convolution import Convolution

Strip = Callable[[range, WorkSpace, Empty], tuple[Array | None, list[Call]]]


@dataclass(frozen=True)
class Differentiation:
    """Of one convolution of x; `w` as it packs it."""

    kernel: "Convolution"
    w: Params
    x: Array
    run: Run
    whole: WorkSpace  # for what all strips read

    def plan(self, dy: Array, shape: Shape, parts: list[Part]) -> Backward:
        """`shape` is the output's before the followers, whose adjoints the parts know."""
        run, kernel, dparams = self.run, self.kernel, dict[str, Array]()
        weight = self.w["shape"]
        (dout, spaced), calls = self._unfollowed(dy, shape, parts)
        if run.need_params and "bias" in self.w:
            calls += given(run, dparams, dy.dtype, bias=partial(np.add.reduce, spaced, (1, 2, 3)))
        if run.need_params and not (kernel.shares and run.need[0]):
            total, more = self._weight_gradient(spaced)
            calls += more + given(run, dparams, dy.dtype, weight=lambda: kernel.weight_path.unpack(total, weight))
        if not run.need[0]:
            return Backward((None,), calls, dparams)
        if kernel.input_path is None:
            dx, more = self._scattered(spaced)
            return Backward((dx,), calls + more, dparams)
        dx, shared, more = self._correlated(kernel.input_path, dout)
        if shared is not None:
            path = cast(Differentiable, kernel.input_path)
            turned = (len(self.x), shape[0] // kernel.groups, *weight[2:])

            def turned_back() -> Array:
                return rotated(path.unpack(shared, turned), kernel.groups).reshape(weight)

            more += given(run, dparams, dy.dtype, weight=turned_back)
        return Backward((dx,), calls + more, dparams)

    def _unfollowed(self, dy: Array, shape: Shape, parts: list[Part]) -> tuple[tuple[Array, Array], list[Call]]:
        """dL/d(output before the followers) as `_correlated` reads it, and without the stride's zeros."""
        kernel, whole = self.kernel, self.whole
        strided = kernel.window.stride != (1, 1) and kernel.input_path is not None and self.run.need[0]
        if not strided and (len(parts) == 1 or not kernel.followers):
            d, calls = parts[0].unfollowed(dy, whole.empty) if kernel.followers else (dy, [])
            d, copying = contiguous(d, whole)
            return (d, d), calls + copying
        adjoint = kernel.window.adjoint()
        extents = adjoint.input(*self.x.shape[1:3]) if strided and adjoint else shape[1:3]
        dout = whole.empty((shape[0], *extents, shape[3]), dy.dtype)
        sh, sw = kernel.window.stride if strided else (1, 1)
        spaced = dout[:, ::sh, ::sw][:, : shape[1], : shape[2]]

        def unfollow(part: Part) -> list[Call]:
            d, calls = part.unfollowed(dy)
            return [*calls, partial(np.copyto, spaced[:, part.block.rows.start : part.block.rows.stop], d)]

        blank: list[Call] = [partial(dout.fill, 0)] if strided else []
        return (dout, spaced), blank + together(self.run, [unfollow(part) for part in parts])

    def _weight_gradient(self, dout: Array) -> Plan:
        path = self.kernel.weight_path

        def differentiate(rows: range, space: WorkSpace, empty: Empty) -> Plan:
            strip, padding = path.strip(self.x, rows, space)
            operand, making = path.operand(strip, space)
            piece, copying = contiguous(dout[:, rows.start : rows.stop], space)
            gradient, product = path.weight_gradient(operand, piece, space, empty)
            return gradient, padding + making + copying + product

        total, calls = self._summed(differentiate, strips(path, self.kernel.groups, len(self.x), dout.shape))
        assert total is not None
        return total, calls

    def _correlated(self, path: Path, dout: Array) -> tuple[Array, Array | None, list[Call]]:
        """dL/dx as the convolution of dL/dy, the stride's zeros in between, with the rotated weight.

        And dL/dweight, where columns are shared: of that convolution with x as the gradient of its output.
        """
        x, packed = self.x, self.w["input_path"]
        dx, shares = self.run.empty(x.shape, x.dtype), self.kernel.shares and self.run.need_params

        def correlate(rows: range, space: WorkSpace, empty: Empty) -> tuple[Array | None, list[Call]]:
            strip, padding = path.strip(dout, rows, space)
            operand, making = path.operand(strip, space)
            start = space.used
            calls = padding + making + path.correlate(packed, operand, dx[:, rows.start : rows.stop], space)
            if not shares:
                return None, calls
            space.used = start
            piece, copying = contiguous(x[:, rows.start : rows.stop], space)
            gradient, product = cast(Differentiable, path).weight_gradient(operand, piece, space, empty)
            return gradient, calls + copying + product

        total, calls = self._summed(correlate, strips(path, self.kernel.groups, len(dout), x.shape))
        return dx, total, calls

    def _summed(self, of: Strip, rows: list[range]) -> tuple[Array | None, list[Call]]:
        """The sum of the strips' gradients, in order; the strips side by side, or each added before the next one."""
        total, ordered = None, self.run.sides.most == 1
        parts: list[list[Call]] = []
        adding: list[Call] = []
        for number, some in enumerate(rows):
            space = self.run.space(number)
            gradient, calls = of(some, space, space.empty if number and ordered else self.whole.empty)
            if total is None:
                total = gradient
            elif gradient is not None:
                (calls if ordered else adding).append(partial(np.add, total, gradient, total))
            parts.append(calls)
        return total, together(self.run, parts) + adding

    def _scattered(self, dout: Array) -> Plan:
        """dL/dx by col2im, strips in order: they overlap."""
        window, x, im2col = self.kernel.window, self.x, Im2col(self.kernel.window, self.kernel.groups)
        (ph, pw), (c, h, w, n) = window.padding, x.shape
        dpadded = self.run.empty((c, h + 2 * ph, w + 2 * pw, n), x.dtype)
        calls: list[Call] = [partial(dpadded.fill, 0)]
        for rows in strips(im2col, self.kernel.groups, c, dout.shape):
            space = self.run.space(0)
            piece, copying = contiguous(dout[:, rows.start : rows.stop], space)
            columns, product = im2col.input_columns(self.w["columns"], piece, space)
            calls += copying + product + window.scatter(columns, dpadded, rows)
        return window.crop(dpadded), calls


def rotated(weight: Array, groups: int) -> Array:
    """[Cout,Cin/g,kh,kw] -> [g,Cin/g,Cout/g,kh,kw], turned by half a turn: a view, its own inverse but for shape."""
    cout, c, kh, kw = weight.shape
    turned = weight[:, :, ::-1, ::-1].reshape(groups, cout // groups, c, kh, kw, copy=False)
    return turned.swapaxes(1, 2)
