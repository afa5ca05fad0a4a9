"""Batch normalization: in training two kernels with a barrier between them, in evaluation one.

Source: Ioffe and Szegedy, "Batch normalization" (2015); merged moments: Chan, Golub, LeVeque (1979).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from convserve_model.protocols import Array, Backward, Gradients, Params, Run


@dataclass(frozen=True)
class Moments:
    """Count, sum and centred squares of each channel [3,C], float64; combined: mean, biased variance, count [3,C]."""

    momentum: float | None
    reduced: ClassVar[bool] = True

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [C,H,W,N] -> this microbatch's part [3,C]."""
        (x,) = xs
        flat = x.reshape(x.shape[0], -1)
        count = flat.shape[1]
        total = flat.sum(axis=1, dtype=np.float64)
        local = total / count
        centred = flat - local.astype(x.dtype)[:, None]
        drift = local - local.astype(x.dtype)  # what rounding the mean to x's dtype left out
        squares = np.einsum("ij,ij->i", centred, centred, dtype=np.float64) - count * drift * drift
        part = np.stack([np.full_like(total, count), total, squares])

        def backward(dpart: Array) -> Gradients:
            if not run.need[0]:
                return (None,), {}
            dsum, dsquares = (row.astype(x.dtype)[:, None] for row in dpart[1:])
            return ((centred * (2 * dsquares) + dsum).reshape(x.shape),), {}

        return part, backward

    def combine(self, parts: list[Array]) -> tuple[Array, Callable[[Array], list[Array]]]:
        """The whole batch's [mean, biased variance, count], and its adjoint."""
        stack = np.stack(parts)  # [M, 3, C]
        counts, sums, squares = stack[:, 0], stack[:, 1], stack[:, 2]
        total = counts.sum(axis=0)
        mean = sums.sum(axis=0) / total
        offsets = sums / counts - mean  # [M, C]
        variance = (squares.sum(axis=0) + (counts * offsets * offsets).sum(axis=0)) / total

        def adjoint(dvalue: Array) -> list[Array]:
            dmean, dvariance = dvalue[0] / total, dvalue[1] / total
            return [np.stack([np.zeros_like(mean), dmean + 2 * dvariance * offset, dvariance]) for offset in offsets]

        return np.stack([mean, variance, total]), adjoint

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

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [C,H,W,N], moments [3,C] -> y [C,H,W,N]."""
        x, moments = xs
        mean, variance = moments[0], moments[1]
        centred, inverse = _centre(x, mean), 1 / np.sqrt(variance + self.eps)
        drift = mean - mean.astype(x.dtype)
        y = _affine(w, centred, inverse, drift)

        def backward(dy: Array) -> Gradients:
            dbias, dscale = _sums(dy, centred)
            dscale -= drift * dbias
            grads = _params(w, run, dscale * inverse, dbias)
            gain = inverse * w["weight"].astype(np.float64) if "weight" in w else inverse
            dvariance = dscale * gain * inverse * inverse * -0.5
            dmoments = np.stack([-dbias * gain, dvariance, np.zeros_like(mean)])
            return (dy * _channels(gain, x), dmoments), grads

        return y, backward


@dataclass(frozen=True)
class NormalizeRunning:
    """The same with the running statistics, which are constants."""

    eps: float

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [C,H,W,N] -> y [C,H,W,N]."""
        (x,) = xs
        centred = _centre(x, w["running_mean"])
        inverse = 1 / np.sqrt(w["running_var"].astype(np.float64) + self.eps)
        y = _affine(w, centred, inverse, np.zeros_like(inverse))

        def backward(dy: Array) -> Gradients:
            grads = {}
            if run.need_params and "weight" in w:
                dbias, dscale = _sums(dy, centred)
                grads = _params(w, run, dscale * inverse, dbias)
            gain = inverse * w["weight"].astype(np.float64) if "weight" in w else inverse
            return (dy * _channels(gain, x) if run.need[0] else None,), grads

        return y, backward


def _channels(value: Array, x: Array) -> Array:
    """[C] as [C,1,1,1] in x's dtype."""
    return value.astype(x.dtype)[:, None, None, None]


def _centre(x: Array, mean: Array) -> Array:
    return np.asarray(x - _channels(mean, x))


def _affine(w: Params, centred: Array, inverse: Array, drift: Array) -> Array:
    """(centred - drift) * inverse * weight + bias."""
    scale = inverse * w["weight"] if "weight" in w else inverse
    shift = w["bias"] - drift * scale if "bias" in w else -drift * scale
    y = centred * _channels(scale, centred)
    y += _channels(shift, centred)
    return np.asarray(y)


def _sums(dy: Array, centred: Array) -> tuple[Array, Array]:
    """(sum of dy, sum of dy * centred) of each channel, float64 [C]."""
    c = dy.shape[0]
    dbias = dy.reshape(c, -1).sum(axis=1, dtype=np.float64)
    dscale = (dy * centred).reshape(c, -1).sum(axis=1, dtype=np.float64)
    return dbias, dscale


def _params(w: Params, run: Run, dweight: Array, dbias: Array) -> dict[str, Array]:
    if not run.need_params or "weight" not in w:
        return {}
    return {"weight": dweight.astype(w["weight"].dtype), "bias": dbias.astype(w["bias"].dtype)}
