"""Kernels that move or combine values without parameters: flatten, add, concat, dropout."""

from functools import partial
from typing import ClassVar

import numpy as np

from convserve_model.calls import along, own, reshaped, spent
from convserve_model.protocols import Array, Backward, Forward, Params, Run
from convserve_model.values import dataclass


@dataclass(frozen=True)
class Flatten:
    """[C,H,W,N] -> [C*H*W,N], PyTorch's order; a view."""

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        (x,) = xs
        shape = x.shape

        def adjoint(dy: Array) -> Backward:
            dx, calls = reshaped(dy, shape, run)
            return along((dx,), calls)

        return Forward(*reshaped(x, (-1, x.shape[-1]), run), adjoint)


@dataclass(frozen=True)
class Add:
    """The sum of its inputs, in order."""

    overwrites: ClassVar[bool] = True
    gives_away: ClassVar[bool] = True

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        first, second, *others = xs
        y = own(first, run)

        def adjoint(dy: Array) -> Backward:
            return along(tuple(dy if need else None for need in run.need), [])

        calls = [partial(np.add, first, second, y), *(partial(np.add, y, x, y) for x in others)]
        return Forward(y, [*calls], adjoint)


@dataclass(frozen=True)
class Concat:
    """Its inputs one after the other along channels (or features)."""

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        counts = [len(x) for x in xs]
        ends = np.cumsum(counts).tolist()
        y = run.empty((ends[-1], *xs[0].shape[1:]), xs[0].dtype)

        def adjoint(dy: Array) -> Backward:
            parts = zip(counts, ends, run.need, strict=True)
            return along(tuple(dy[end - count : end] if need else None for count, end, need in parts), [])

        return Forward(y, [partial(np.concatenate, xs, out=y)], adjoint)


@dataclass(frozen=True)
class Dropout:
    """In training: each value is zero with probability p, the others are scaled by 1 / (1 - p)."""

    p: float

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        (x,) = xs
        scale = x.dtype.type(1 / (1 - self.p) if self.p < 1 else 0.0)
        y, mask = run.empty(x.shape, x.dtype), run.empty(x.shape, x.dtype)

        def draw() -> None:
            np.multiply(run.random().random(x.shape, dtype=np.float32) >= self.p, scale, out=mask)

        def adjoint(dy: Array) -> Backward:
            dx = spent(dy, run)
            return along((dx,), [partial(np.multiply, dy, mask, dx)])

        return Forward(y, [draw, partial(np.multiply, x, mask, y)], adjoint)
