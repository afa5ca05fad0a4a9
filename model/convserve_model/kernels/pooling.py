"""Pooling: maximum, mean, and the mean of the whole image."""

from dataclasses import dataclass

import numpy as np

from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Backward, Gradients, Params, Run


@dataclass(frozen=True)
class MaxPool:
    """The largest of each window; padding is minus infinity. The gradient goes to the first maximum in row order."""

    window: Window

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [C,H,W,N] -> y [C,ho,wo,N]."""
        (x,) = xs
        padded = self.window.pad(x, fill=-np.inf)
        rows = range(self.window.output(*x.shape[1:3])[0])
        taps = [(i, j) for i in range(self.window.size[0]) for j in range(self.window.size[1])]
        y = self.window.tap(padded, 0, 0, rows).copy()
        for i, j in taps[1:]:
            np.maximum(y, self.window.tap(padded, i, j, rows), out=y)

        def backward(dy: Array) -> Gradients:
            if not run.need[0]:
                return (None,), {}
            dpadded = np.zeros_like(padded)
            free = np.ones(y.shape, bool)  # windows whose maximum was not met yet
            for i, j in taps:
                hit = self.window.tap(padded, i, j, rows) == y
                hit &= free
                free ^= hit
                target = self.window.tap(dpadded, i, j, rows)
                target += dy * hit
            return (self.window.crop(dpadded),), {}

        return y, backward


@dataclass(frozen=True)
class AvgPool:
    """The mean of each window, padding counted, as PyTorch's default."""

    window: Window

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [C,H,W,N] -> y [C,ho,wo,N]."""
        (x,) = xs
        kh, kw = self.window.size
        padded = self.window.pad(x)
        rows = range(self.window.output(*x.shape[1:3])[0])
        scale = 1.0 / (kh * kw)
        y = self.window.tap(padded, 0, 0, rows).copy()
        for tap in range(1, kh * kw):
            y += self.window.tap(padded, tap // kw, tap % kw, rows)
        y *= scale

        def backward(dy: Array) -> Gradients:
            if not run.need[0]:
                return (None,), {}
            dpadded, share = np.zeros_like(padded), dy * scale
            for tap in range(kh * kw):
                target = self.window.tap(dpadded, tap // kw, tap % kw, rows)
                target += share
            return (self.window.crop(dpadded),), {}

        return y, backward


@dataclass(frozen=True)
class GlobalAvgPool:
    """The mean over height and width."""

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [C,H,W,N] -> y [C,1,1,N]."""
        (x,) = xs
        y = x.mean(axis=(1, 2), keepdims=True)
        scale = 1.0 / (x.shape[1] * x.shape[2])

        def backward(dy: Array) -> Gradients:
            return (np.broadcast_to(dy * scale, x.shape) if run.need[0] else None,), {}

        return y, backward
