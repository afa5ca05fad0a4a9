"""Pooling: maximum, mean, and the mean of the whole image."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from convserve_model.calls import done, result
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Backward, Gradients, Params, Plan, Run, Shape
from convserve_model.remembered import remembered


@dataclass(frozen=True)
class MaxPool:
    """The largest of each window; padding is minus infinity. The gradient goes to the first maximum in row order."""

    window: Window

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [C,H,W,N] -> y [C,ho,wo,N]: the maxima along each row, and of these along each column."""
        (x,) = xs
        padded = done(self.window.pad(x, run.space(0), fill=-np.inf))
        down, across = self._sides(*x.shape[1:3])
        wide, across_hits = across.maximum(padded, run.need[0])
        y, down_hits = down.maximum(wide, run.need[0], run.out)
        shape, wide_shape = padded.shape, wide.shape

        def backward(dy: Array) -> Gradients:
            if not run.need[0]:
                return (None,), {}
            dwide = down.spread(dy, down_hits, wide_shape)
            return (self.window.crop(across.spread(dwide, across_hits, shape)),), {}

        return y, backward

    def plan(self, w: Params, *xs: Array, run: Run) -> Plan:
        (x,) = xs
        space = run.space(0)
        padded, calls = self.window.pad(x, space, fill=-np.inf)
        down, across = self._sides(*x.shape[1:3])
        wide, first = across.plan(padded, space.empty)
        y, second = down.plan(wide, partial(result, run))
        return y, calls + first + second

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

    def maximum(self, x: Array, need: bool, out: Array | None = None) -> tuple[Array, list[Array]]:
        """The maxima (in `out`) and, if needed, where each tap but the first was larger than all before it."""
        y, hits = self._tap(x, 0), []
        for k in range(1, self.size):
            tap = self._tap(x, k)
            if need:
                hits.append(tap > y)
            y = out = np.maximum(y, tap, out=out)
        if self.size == 1 and out is not None:
            out[...] = y
            return out, hits
        return y, hits

    def plan(self, x: Array, empty: Callable[[Shape, Any], Array]) -> Plan:
        """`maximum` as calls."""
        taps = [self._tap(x, k) for k in range(self.size)]
        y = empty(taps[0].shape, x.dtype)
        if self.size == 1:
            return y, [partial(np.copyto, y, taps[0])]
        pairs = zip([taps[0], *[y] * (self.size - 2)], taps[1:], strict=True)
        return y, [partial(np.maximum, before, tap, out=y) for before, tap in pairs]

    def spread(self, dy: Array, hits: list[Array], shape: Shape) -> Array:
        """The adjoint: each gradient goes to the tap that was largest first."""
        if not hits and shape == dy.shape:
            return dy
        alone = self.dilation == 1 and self.stride == self.size
        whole = alone and self.count * self.stride == shape[self.axis]
        dx = (np.empty if whole else np.zeros)(shape, dy.dtype)
        for k in range(self.size - 1, 0, -1):
            share = dy * hits[k - 1]
            dy = dy - share
            self._give(dx, k, share, alone)
        self._give(dx, 0, dy, alone)
        return dx

    def _give(self, dx: Array, k: int, share: Array, alone: bool) -> None:
        target = self._tap(dx, k)
        if alone:
            target[...] = share
        else:
            target += share

    def _tap(self, x: Array, k: int) -> Array:
        first = k * self.dilation
        taps = slice(first, first + self.stride * (self.count - 1) + 1, self.stride)
        return x[:, taps] if self.axis == 1 else x[:, :, taps]


@dataclass(frozen=True)
class AvgPool:
    """The mean of each window, padding counted, as PyTorch's default."""

    window: Window

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [C,H,W,N] -> y [C,ho,wo,N]."""
        (x,) = xs
        y = done(self.plan(w, x, run=run))
        kh, kw = self.window.size
        (ph, pw), (c, h, width, n) = self.window.padding, x.shape
        shape, rows, scale = (c, h + 2 * ph, width + 2 * pw, n), range(y.shape[1]), 1.0 / (kh * kw)

        def backward(dy: Array) -> Gradients:
            if not run.need[0]:
                return (None,), {}
            dpadded, share = np.zeros(shape, dy.dtype), dy * scale
            for tap in range(kh * kw):
                target = self.window.tap(dpadded, tap // kw, tap % kw, rows)
                target += share
            return (self.window.crop(dpadded),), {}

        return y, backward

    def plan(self, w: Params, *xs: Array, run: Run) -> Plan:
        (x,) = xs
        kh, kw = self.window.size
        padded, calls = self.window.pad(x, run.space(0))
        rows = range(self.window.output(*x.shape[1:3])[0])
        first, *others = (self.window.tap(padded, i, j, rows) for i in range(kh) for j in range(kw))
        y = run.empty(first.shape, x.dtype)
        calls.append(partial(np.copyto, y, first))
        calls += [partial(np.add, y, tap, y) for tap in others]
        return y, [*calls, partial(np.multiply, y, x.dtype.type(1.0 / (kh * kw)), y)]


@dataclass(frozen=True)
class GlobalAvgPool:
    """The mean over height and width."""

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [C,H,W,N] -> y [C,1,1,N]."""
        (x,) = xs
        shape = x.shape
        y = done(self.plan(w, x, run=run))
        scale = 1.0 / prod(shape[1:3])

        def backward(dy: Array) -> Gradients:
            return (np.broadcast_to(dy * scale, shape) if run.need[0] else None,), {}

        return y, backward

    def plan(self, w: Params, *xs: Array, run: Run) -> Plan:
        """A product: `mean` is slow where few images lie side by side."""
        (x,) = xs
        c, h, width, n = x.shape
        y = run.empty((c, 1, 1, n), x.dtype)
        weights = np.full((1, h * width), 1.0 / (h * width), x.dtype)
        return y, [partial(np.matmul, weights, x.reshape(c, h * width, n), y.reshape(c, 1, n))]
