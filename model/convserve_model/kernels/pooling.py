"""Pooling: maximum, mean, and the mean of the whole image."""

from functools import partial
from math import prod
from typing import ClassVar

import numpy as np

from convserve_model.calls import along, result
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Backward, Call, Empty, Forward, Params, Plan, Run, Shape
from convserve_model.remembered import remembered
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace


@dataclass(frozen=True)
class MaxPool:
    """The largest of each window; padding is minus infinity. The gradient goes to the first maximum in row order."""

    window: Window
    forgets: ClassVar[bool] = True

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        """x [C,H,W,N] -> y [C,ho,wo,N]: the maxima along each row, and of these along each column."""
        (x,) = xs
        space, need = run.space(0), run.need[0]
        padded, calls = self.window.pad(x, space, fill=-np.inf)
        down, across = self._sides(*x.shape[1:3])
        wide, first, wide_hits = across.maximum(padded, space.empty, run.empty if need else None)
        y, second, hits = down.maximum(wide, partial(result, run), run.empty if need else None)
        shape, wide_shape = padded.shape, wide.shape
        last = not wide_hits and wide_shape == shape  # nothing is to be spread across

        def adjoint(dy: Array) -> Backward:
            space = run.space(0)
            dwide, calls = down.spread(dy, hits, wide_shape, run.empty if last else space.empty, space)
            dx, more = across.spread(dwide, wide_hits, shape, run.empty, space)
            return along((self.window.crop(dx),), calls + more)

        return Forward(y, calls + first + second, adjoint)

    @remembered
    def _sides(self, h: int, w: int) -> "tuple[Side, ...]":
        window = self.window
        counts = window.output(h, w)
        return tuple(map(Side, (1, 2), window.size, window.stride, window.dilation, counts))


@dataclass(frozen=True)
class Side:
    """A window along one axis, at `count` places."""

    axis: int
    size: int
    stride: int
    dilation: int
    count: int

    def maximum(self, x: Array, empty: Empty, hit: Empty | None) -> tuple[Array, list[Call], list[Array]]:
        """A plan for the maxima; with memory for hits also where each tap but the first is above all before it."""
        first, *others = (self._tap(x, k) for k in range(self.size))
        y = empty(first.shape, x.dtype)
        if not others:
            return y, [partial(np.copyto, y, first)], []
        calls: list[Call] = []
        hits = []
        for tap in others:
            if hit is not None:
                hits.append(hit(y.shape, np.bool_))
                calls.append(partial(np.greater, tap, first, hits[-1]))
            calls.append(partial(np.maximum, first, tap, out=y))
            first = y
        return y, calls, hits

    def spread(self, dy: Array, hits: list[Array], shape: Shape, empty: Empty, space: WorkSpace) -> Plan:
        """The adjoint: each gradient goes to the tap that was largest first; dy itself where there is one tap."""
        if not hits and shape == dy.shape:
            return dy, []
        dx = empty(shape, dy.dtype)
        alone = self.dilation == 1 and self.stride == self.size
        whole = alone and self.count * self.stride == shape[self.axis]
        calls: list[Call] = [] if whole else [partial(dx.fill, 0)]
        rest = dy
        for k in range(self.size - 1, 0, -1):
            target, hit = self._tap(dx, k), hits[k - 1]
            left = self._tap(dx, 0) if alone and k == 1 else space.empty(dy.shape, dy.dtype)
            share = target if alone else space.empty(dy.shape, dy.dtype)
            calls += [partial(np.multiply, rest, hit, share), partial(np.subtract, rest, share, left)]
            if not alone:
                calls.append(partial(np.add, target, share, target))
            rest = left
        if not alone:
            calls.append(partial(np.add, self._tap(dx, 0), rest, self._tap(dx, 0)))
        elif not hits:
            calls.append(partial(np.copyto, self._tap(dx, 0), rest))
        return dx, calls

    def _tap(self, x: Array, k: int) -> Array:
        first = k * self.dilation
        taps = slice(first, first + self.stride * (self.count - 1) + 1, self.stride)
        return x[:, taps] if self.axis == 1 else x[:, :, taps]


@dataclass(frozen=True)
class AvgPool:
    """The mean of each window, padding counted, as PyTorch's default."""

    window: Window

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        """x [C,H,W,N] -> y [C,ho,wo,N]."""
        (x,) = xs
        scale = x.dtype.type(1.0 / prod(self.window.size))
        padded, calls = self.window.pad(x, run.space(0))
        shape, rows = padded.shape, range(self.window.output(*x.shape[1:3])[0])
        first, *others = self.window.taps(padded, rows)
        y = run.empty(first.shape, x.dtype)
        calls.append(partial(np.copyto, y, first))
        calls += [partial(np.add, y, tap, y) for tap in others]

        def adjoint(dy: Array) -> Backward:
            dpadded, share = run.empty(shape, dy.dtype), run.space(0).empty(dy.shape, dy.dtype)
            spreading: list[Call] = [partial(dpadded.fill, 0), partial(np.multiply, dy, scale, share)]
            spreading += [partial(np.add, tap, share, tap) for tap in self.window.taps(dpadded, rows)]
            return along((self.window.crop(dpadded),), spreading)

        return Forward(y, [*calls, partial(np.multiply, y, scale, y)], adjoint)


@dataclass(frozen=True)
class GlobalAvgPool:
    """The mean over height and width."""

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        """x [C,H,W,N] -> y [C,1,1,N]. A product: `mean` is slow where few images lie side by side."""
        (x,) = xs
        shape = c, h, width, n = x.shape
        scale = x.dtype.type(1.0 / (h * width))
        y, weights = run.empty((c, 1, 1, n), x.dtype), np.full((1, h * width), scale)

        def adjoint(dy: Array) -> Backward:
            share = run.empty(dy.shape, dy.dtype)
            return along((np.broadcast_to(share, shape),), [partial(np.multiply, dy, scale, share)])

        product = partial(np.matmul, weights, x.reshape(c, h * width, n, copy=False), y.reshape(c, 1, n))
        return Forward(y, [product], adjoint)
