"""Batch normalization: in training two kernels with a barrier between them, in evaluation one.

Source: Ioffe and Szegedy, "Batch normalization" (2015); merged moments: Chan, Golub, LeVeque (1979).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from convserve_model.calls import done, own
from convserve_model.protocols import Array, Backward, Gradients, Params, Plan, Run


@dataclass(frozen=True)
class Moments:
    """Count, sum and centred squares of each channel [3,C], float64; combined: mean, biased variance, count [3,C]."""

    momentum: float | None
    reduced: ClassVar[bool] = True
    fresh: ClassVar[bool] = True
    buffers: ClassVar[tuple[str, ...]] = ("running_mean", "running_var", "num_batches_tracked")

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [C,H,W,N] -> this microbatch's part [3,C]."""
        (x,) = xs
        count = x[0].size
        row = x[:, 0].reshape(len(x), -1)
        pivot = row.mean(axis=1)  # near the mean
        sums, squares = _row_sums(x - _channels(pivot, x))
        offset = sums / count
        part = np.array([np.full(len(x), float(count)), sums + count * pivot, squares - sums * offset])

        def backward(dpart: Array) -> Gradients:
            if not run.need[0]:
                return (None,), {}
            slope = (2 * dpart[2]).astype(x.dtype)
            dx = x * _channels(slope, x)
            dx += _channels(dpart[1] - slope * (offset + pivot), x)
            return (dx,), {}

        return part, backward

    def combine(self, parts: list[Array]) -> tuple[Array, Callable[[Array], list[Array]]]:
        """The whole batch's [mean, biased variance, count], and its adjoint."""
        counts, sums, squares = np.array(parts).swapaxes(0, 1)  # [M, C] each
        total = counts.sum(axis=0)
        mean = sums.sum(axis=0) / total
        offsets = sums / counts - mean
        variance = (squares + counts * offsets * offsets).sum(axis=0) / total

        def adjoint(dvalue: Array) -> list[Array]:
            zero, (dmean, dvariance) = np.zeros_like(mean), dvalue[:2] / total
            return [np.array([zero, dmean + 2 * dvariance * offset, dvariance]) for offset in offsets]

        return np.array([mean, variance, total]), adjoint

    def update(self, buffers: Params, value: Array) -> dict[str, Array]:
        """PyTorch's running statistics: unbiased variance; momentum None is the cumulative average."""
        mean, variance, count = value
        batches = buffers["num_batches_tracked"] + 1
        factor = 1.0 / float(batches) if self.momentum is None else self.momentum
        fresh = {"running_mean": mean, "running_var": variance * count / (count - 1)}
        updated = {
            name: ((1 - factor) * buffers[name].astype(np.float64) + factor * new).astype(buffers[name].dtype)
            for name, new in fresh.items()
        }
        return {**updated, "num_batches_tracked": np.asarray(batches, np.int64)}


@dataclass(frozen=True)
class Normalize:
    """(x - mean) / sqrt(variance + eps) * weight + bias with the moments of the batch."""

    eps: float
    gives_away: ClassVar[bool] = True
    fresh: ClassVar[bool] = True

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [C,H,W,N], moments [3,C] -> y [C,H,W,N]."""
        x, (mean, variance, _) = xs
        inverse = 1 / np.sqrt(variance + self.eps)
        gain = (inverse * w["weight"] if "weight" in w else inverse).astype(x.dtype)
        shift = w.get("bias", 0) - mean * gain
        y = x * _channels(gain, x)
        y += _channels(shift, x)

        def backward(dy: Array) -> Gradients:
            dbias, products = _row_sums(dy, x)
            dscale = products - mean * dbias
            grads = _params(w, run, dscale * inverse, dbias)
            dvariance = dscale * gain * inverse * inverse * -0.5
            dx = np.multiply(dy, _channels(gain, x), out=dy if run.spend else None)
            return (dx, np.array([-dbias * gain, dvariance, np.zeros_like(mean)])), grads

        return y, backward


@dataclass(frozen=True)
class NormalizeRunning:
    """x * gain + shift with the running statistics, which are constants."""

    eps: float
    overwrites: ClassVar[bool] = True
    gives_away: ClassVar[bool] = True

    def pack(self, w: Params, *, need: bool) -> Params:
        """gain = weight / sqrt(running_var + eps) and shift = bias - running_mean * gain, computed in float64."""
        mean = w["running_mean"].astype(np.float64)
        inverse = 1 / np.sqrt(w["running_var"].astype(np.float64) + self.eps)
        gain = inverse * w["weight"] if "weight" in w else inverse
        shift = w.get("bias", 0) - mean * gain
        dtype = w["running_mean"].dtype
        shaped = {name: value.astype(dtype)[:, None, None, None] for name, value in (("gain", gain), ("shift", shift))}
        return {**w, **shaped, "inverse": inverse}

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [C,H,W,N] -> y [C,H,W,N]."""
        (x,) = xs
        y = done(self.plan(w, x, run=run))

        def backward(dy: Array) -> Gradients:
            grads = {}
            if run.need_params and "weight" in w:
                dbias, dscale = _row_sums(dy, x - _channels(w["running_mean"], x))
                grads = _params(w, run, dscale * w["inverse"], dbias)
            return (dy * w["gain"] if run.need[0] else None,), grads

        return y, backward

    def plan(self, w: Params, *xs: Array, run: Run) -> Plan:
        (x,) = xs
        y = own(x, run._replace(overwrite=run.overwrite and not run.need_params))  # else backward needs x
        return y, [partial(np.multiply, x, w["gain"], y), partial(np.add, y, w["shift"], y)]


def _channels(value: Array, x: Array) -> Array:
    """[C] as [C,1,1,1] in x's dtype."""
    return value.astype(x.dtype)[:, None, None, None]


def _ones(like: Array) -> Array:
    return np.ones(like.size, like.dtype)


def _row_sums(a: Array, b: Array | None = None) -> tuple[Array, Array]:
    """Sums of a and of a * b (by default a * a) for each channel, float64 [C]; along a row they are in a's dtype."""
    c, h = a.shape[:2]
    rows = a.reshape(c * h, -1)
    other = rows if b is None else b.reshape(c * h, -1)
    sums = (rows @ _ones(rows[0])).reshape(c, h).sum(axis=1, dtype=np.float64)
    return sums, np.vecdot(rows, other).reshape(c, h).sum(axis=1, dtype=np.float64)


def _params(w: Params, run: Run, dweight: Array, dbias: Array) -> dict[str, Array]:
    if not run.need_params or "weight" not in w:
        return {}
    return {"weight": dweight.astype(w["weight"].dtype), "bias": dbias.astype(w["bias"].dtype)}
