"""The gradients of a convolution: what follows it is taken back block by block, then each gradient goes strip by strip.

The weight's gradient of a strip is a product of its operand and dL/dy; the input's gradient is a convolution of dL/dy
with the rotated weight, or the adjoint of im2col. Where both read the same columns these are made once.
"""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from convserve_model.calls import contiguous, given, together
from convserve_model.kernels.blocks import Part, strips
from convserve_model.kernels.costs import channels_of_part, worth_deferring
from convserve_model.kernels.paths import Differentiable, Path
from convserve_model.kernels.paths.im2col import Im2col
from convserve_model.protocols import WHOLE, Array, Backward, Call, Empty, Later, Params, Plan, Run, Shape
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace

if TYPE_CHECKING:
    from convserve_model.kernels.convolution import Convolution

Strip = Callable[[range, WorkSpace, Empty], tuple[Array | None, list[Call], list[Call]]]


class Sum(NamedTuple):
    """Of the strips' gradients: what else the strips give, and for later their parts of the gradient and what adds
    them up."""

    total: Any  # an array, None where nobody asks for it
    calls: list[Call]
    parts: list[list[Call]]
    adding: list[Call]


@dataclass(frozen=True)
class Differentiation:
    """Of one convolution of x; `w` as it packs it."""

    kernel: "Convolution"
    w: Params
    x: Array
    shape: Shape  # of the output before the followers
    run: Run
    defers: bool  # whether the weight's gradient comes later
    whole: WorkSpace  # for what all strips read

    @classmethod
    def of(cls, kernel: "Convolution", w: Params, x: Array, shape: Shape, run: Run) -> "Differentiation":
        defers = run.defers and cls._worth_deferring(kernel, w, x, shape, run)
        return cls(kernel, w, x, shape, run, defers, (run.apart if defers else run.space)(WHOLE))

    @staticmethod
    def _worth_deferring(kernel: "Convolution", w: Params, x: Array, shape: Shape, run: Run) -> bool:
        path: Path = kernel.weight_path
        cin, output = len(x), shape
        if kernel.shares and run.need[0] and kernel.input_path is not None:
            path, cin, output = kernel.input_path, shape[0], x.shape
        parts = len(strips(path, kernel.groups, cin, output, back=True))
        return worth_deferring(path, cin, output, prod(w["shape"]), parts)

    def plan(self, dy: Array, parts: list[Part]) -> Backward:
        """`parts` know the followers' adjoints."""
        run, kernel, dparams = self.run, self.kernel, dict[str, Array]()
        weight = self.w["shape"]
        (dout, spaced), calls = self._unfollowed(dy, parts)
        products: list[list[Call]] = []
        after: list[Call] = []
        if run.need_params and "bias" in self.w:
            after += given(run, dparams, dy.dtype, bias=partial(np.add.reduce, spaced, (1, 2, 3)))
        if run.need_params and not (kernel.shares and run.need[0]):
            total, more, products, adding = self._weight_gradient(spaced)
            calls += more
            after += adding + given(run, dparams, dy.dtype, weight=partial(kernel.weight_path.unpack, total, weight))
        if not self.defers:
            calls, after = calls + after, []
        dx: Array | None = None
        if run.need[0] and kernel.input_path is None:
            dx, more = self._scattered(spaced)
            calls += more
        elif run.need[0] and kernel.input_path is not None:
            dx, (shared, more, parts_of_shared, adding) = self._correlated(kernel.input_path, dout)
            calls += more
            if shared is not None:
                products, path = parts_of_shared, cast(Differentiable, kernel.input_path)
                turned = (len(self.x), self.shape[0] // kernel.groups, *weight[2:])

                def turned_back() -> Array:
                    return rotated(path.unpack(shared, turned), kernel.groups).reshape(weight)

                after += adding + given(run, dparams, dy.dtype, weight=turned_back)
        if not self.defers:
            return Backward((dx,), calls + after, dparams)
        return Backward((dx,), calls, dparams, Later(products, after))

    def _unfollowed(self, dy: Array, parts: list[Part]) -> tuple[tuple[Array, Array], list[Call]]:
        """dL/d(output before the followers) as `_correlated` reads it, and without the stride's zeros."""
        kernel, whole, shape = self.kernel, self.whole, self.shape
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

    def _weight_gradient(self, dout: Array) -> Sum:
        path = self.kernel.weight_path

        def differentiate(rows: range, space: WorkSpace, empty: Empty) -> tuple[Array, list[Call], list[Call]]:
            strip, padding = path.strip(self.x, rows, space)
            operand, making = path.operand(strip, space)
            piece, copying = contiguous(dout[:, rows.start : rows.stop], space)
            gradient, product = path.weight_gradient(operand, piece, space, empty)
            return gradient, [], padding + making + copying + product

        rows = strips(path, self.kernel.groups, len(self.x), dout.shape, back=True)
        return self._summed(differentiate, rows, later=self.defers)

    def _correlated(self, path: Path, dout: Array) -> tuple[Array, Sum]:
        """dL/dx as the convolution of dL/dy, the stride's zeros in between, with the rotated weight.

        And dL/dweight, where columns are shared: of that convolution with x as the gradient of its output.
        """
        x, packed = self.x, self.w["input_path"]
        dx, shares = self.run.empty(x.shape, x.dtype), self.kernel.shares and self.run.need_params

        def correlate(rows: range, space: WorkSpace, empty: Empty) -> tuple[Array | None, list[Call], list[Call]]:
            strip, padding = path.strip(dout, rows, space)
            operand, making = path.operand(strip, space)
            start = space.used
            calls = padding + making + path.correlate(packed, operand, dx[:, rows.start : rows.stop], space)
            if not shares:
                return None, calls, []
            space.used = start
            piece, copying = contiguous(x[:, rows.start : rows.stop], space)
            gradient, product = cast(Differentiable, path).weight_gradient(operand, piece, space, empty)
            return gradient, calls, copying + product

        rows = strips(path, self.kernel.groups, len(dout), x.shape, back=True)
        return dx, self._summed(correlate, rows, later=self.defers and shares)

    def _summed(self, of: Strip, rows: list[range], *, later: bool) -> Sum:
        """The sum of the strips' gradients, in order; the strips side by side, or each added before the next one.

        Where parts come later each strip has work space of its own, and keeps there what they read.
        """
        total, most = None, self.run.sides.most
        sides: list[list[Call]] = []
        parts: list[list[Call]] = []
        adding: list[Call] = []
        for number, some in enumerate(rows):
            space = self.run.apart(number) if later else self.run.space(number % most)
            gradient, calls, product = of(some, space, space.empty if number and most == 1 else self.whole.empty)
            if later:
                parts.append(product)
            else:
                calls += product
            if total is None:
                total = gradient
            elif gradient is not None:
                (calls if most == 1 else adding).append(partial(np.add, total, gradient, total))
            sides.append(calls)
        return Sum(total, together(self.run, sides, taken=later), parts, adding)

    def _scattered(self, dout: Array) -> Plan:
        """dL/dx by col2im, channels side by side; strips in order, for they overlap."""
        window, x, groups = self.kernel.window, self.x, self.kernel.groups
        im2col, packed, taps = Im2col(window, groups), self.w["columns"], prod(window.size)
        (ph, pw), (c, h, w, n) = window.padding, x.shape
        dpadded = self.run.empty((c, h + 2 * ph, w + 2 * pw, n), x.dtype)
        rows, step = strips(im2col, groups, c, dout.shape), channels_of_part(groups, c, packed.size, dout[0].size, n)

        def scatter(number: int, start: int) -> list[Call]:
            some, calls = slice(start, start + step), list[Call]()
            for strip in rows:
                space = self.run.space(number)
                piece, copying = contiguous(dout[:, strip.start : strip.stop], space)
                weights = packed[..., start * taps : (start + step) * taps] if step < c else packed
                columns, product = im2col.input_columns(weights, piece, space)
                calls += copying + product + window.scatter(columns, dpadded[some], strip)
            return [partial(dpadded[some].fill, 0), *calls]

        parts = [scatter(number, start) for number, start in enumerate(range(0, c, step))]
        return window.crop(dpadded), together(self.run, parts)


def rotated(weight: Array, groups: int) -> Array:
    """[Cout,Cin/g,kh,kw] -> [g,Cin/g,Cout/g,kh,kw], turned by half a turn: a view, its own inverse but for shape."""
    cout, c, kh, kw = weight.shape
    turned = weight[:, :, ::-1, ::-1].reshape(groups, cout // groups, c, kh, kw, copy=False)
    return turned.swapaxes(1, 2)
