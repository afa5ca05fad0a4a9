"""Kernels that move or combine values without parameters: flatten, add, concat, dropout."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from convserve_model.calls import done, own
from convserve_model.protocols import Array, Backward, Gradients, Params, Plan, Run


@dataclass(frozen=True)
class Flatten:
    """[C,H,W,N] -> [C*H*W,N], PyTorch's order; a view."""

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        (x,) = xs

        def backward(dy: Array) -> Gradients:
            return (dy.reshape(x.shape),), {}

        return x.reshape(-1, x.shape[-1]), backward


@dataclass(frozen=True)
class Add:
    """The sum of its inputs, in order."""

    overwrites: ClassVar[bool] = True
    gives_away: ClassVar[bool] = True

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        y = done(self.plan(w, *xs, run=run))

        def backward(dy: Array) -> Gradients:
            return tuple(dy if need else None for need in run.need), {}

        return y, backward

    def plan(self, w: Params, *xs: Array, run: Run) -> Plan:
        first, second, *others = xs
        y = own(first, run)
        return y, [partial(np.add, first, second, y), *(partial(np.add, y, x, y) for x in others)]


@dataclass(frozen=True)
class Concat:
    """Its inputs one after the other along channels (or features)."""

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        ends = np.cumsum([x.shape[0] for x in xs]).tolist()

        def backward(dy: Array) -> Gradients:
            parts = zip(xs, ends, run.need, strict=True)
            return tuple(dy[end - x.shape[0] : end] if need else None for x, end, need in parts), {}

        return np.concatenate(xs), backward


@dataclass(frozen=True)
class Dropout:
    """In training: each value is zero with probability p, the others are scaled by 1 / (1 - p)."""

    p: float

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        (x,) = xs
        keep = run.random().random(x.shape, dtype=np.float32) >= self.p
        scale = x.dtype.type(1 / (1 - self.p) if self.p < 1 else 0.0)
        mask = keep * scale

        def backward(dy: Array) -> Gradients:
            return (dy * mask if run.need[0] else None,), {}

        return x * mask, backward
