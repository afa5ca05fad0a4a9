"""Batch normalization: in training two kernels with a barrier between them, in evaluation one.

Source: Ioffe and Szegedy, "Batch normalization" (2015); merged moments: Chan, Golub, LeVeque (1979).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np

from convserve_model.calls import along, contiguous, given, own, spent
from convserve_model.protocols import Array, Backward, Call, Forward, Packed, Params, Run
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace


@dataclass(frozen=True)
class Moments:
    """Count, sum and centred squares of each channel [3,C], float64; combined: mean, biased variance, count [3,C]."""

    momentum: float | None
    reduced: ClassVar[bool] = True
    fresh: ClassVar[bool] = True
    buffers: ClassVar[tuple[str, ...]] = ("running_mean", "running_var", "num_batches_tracked")

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        """x [C,H,W,N] -> this microbatch's part [3,C]."""
        (x,) = xs
        space, c, count = run.space(0), len(x), float(x[0].size)
        part, mean, pivot = run.empty((3, c), np.float64), np.empty(c), np.empty((c, 1, 1, 1), x.dtype)
        flat, row, centred = pivot[:, 0, 0, 0], x[:, 0].reshape(c, -1, copy=False), space.empty(x.shape, x.dtype)
        sums, squares, calls = _row_sums(centred, centred, space)
        near = partial(np.matmul, row, np.full(row.shape[1], 1 / row.shape[1], x.dtype), flat)

        def finish() -> None:
            part[0] = count
            np.divide(sums, count, mean)
            np.multiply(mean, sums, part[2])
            np.subtract(squares, part[2], part[2])
            np.add(mean, flat, mean)
            np.multiply(mean, count, part[1])

        def adjoint(dpart: Array) -> Backward:
            dx, slope, shift = run.empty(x.shape, x.dtype), np.empty_like(pivot), np.empty_like(pivot)
            slopes, shifts = slope[:, 0, 0, 0], shift[:, 0, 0, 0]

            def differentiate() -> None:
                np.multiply(dpart[2], 2, slopes)
                np.subtract(dpart[1], slopes * mean, shifts)

            return along((dx,), [differentiate, partial(np.multiply, x, slope, dx), partial(np.add, dx, shift, dx)])

        return Forward(part, [near, partial(np.subtract, x, pivot, centred), *calls, finish], adjoint)

    def combine(self, parts: list[Array]) -> tuple[Array, Callable[[Array], list[Array]]]:
        """The whole batch's [mean, biased variance, count], and its adjoint."""
        if len(parts) == 1:
            return _alone(parts[0])
        counts, sums, squares = np.array(parts).swapaxes(0, 1)  # [M,C] each
        total = np.add.reduce(counts, 0)
        mean = np.add.reduce(sums, 0) / total
        offsets = sums / counts - mean
        variance = np.add.reduce(squares + counts * offsets * offsets, 0) / total

        def adjoint(dvalue: Array) -> list[Array]:
            dparts = np.zeros((len(parts), *dvalue.shape))
            dmean, dvariance = dvalue[:2] / total
            dparts[:, 1] = dmean + 2 * dvariance * offsets
            dparts[:, 2] = dvariance
            return list(dparts)

        return np.array([mean, variance, total]), adjoint

    @staticmethod
    def update(kernels: "Sequence[Moments]", buffers: Sequence[Params], values: Sequence[Array]) -> list[Params]:
        """PyTorch's running statistics: unbiased variance; momentum None is the cumulative average."""
        batches = [int(own["num_batches_tracked"]) + 1 for own in buffers]
        factors = [1 / n if one.momentum is None else one.momentum for one, n in zip(kernels, batches, strict=True)]
        factor = np.repeat(factors, [value.shape[1] for value in values])
        mean, variance, count = np.concatenate(values, 1)
        moved = np.array([mean * factor, variance * factor * (count / (count - 1))])
        for row, name in zip(moved, ("running_mean", "running_var"), strict=True):
            row += np.multiply(np.concatenate([own[name] for own in buffers]), 1 - factor, dtype=np.float64)
        moved, start = moved.astype(buffers[0]["running_mean"].dtype), 0
        updated: list[Params] = []
        for n, value in zip(batches, values, strict=True):
            stop = start + value.shape[1]
            running = {"running_mean": moved[0, start:stop], "running_var": moved[1, start:stop]}
            updated.append({**running, "num_batches_tracked": np.asarray(n, np.int64)})
            start = stop
        return updated


def _alone(part: Array) -> tuple[Array, Callable[[Array], list[Array]]]:
    """What `Moments.combine` gives for a part that is all of the batch."""
    count, value = part[0, 0], np.empty_like(part)
    np.divide(part[1:], count, value[:2])
    value[2] = count

    def adjoint(dvalue: Array) -> list[Array]:
        dpart = np.empty_like(dvalue)
        np.divide(dvalue[:2], count, dpart[1:])
        dpart[0] = 0
        return [dpart]

    return value, adjoint


@dataclass(frozen=True)
class Normalize:
    """(x - mean) / sqrt(variance + eps) * weight + bias with the moments of the batch."""

    eps: float
    gives_away: ClassVar[bool] = True
    fresh: ClassVar[bool] = True

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        """x [C,H,W,N], moments [3,C] -> y [C,H,W,N]."""
        x, (mean, variance, _) = xs
        c, y = len(x), run.empty(x.shape, x.dtype)
        inverse, gain, shift = np.empty(c), np.empty((c, 1, 1, 1), x.dtype), np.empty((c, 1, 1, 1), x.dtype)
        flat = gain[:, 0, 0, 0]

        def prepare() -> None:
            np.add(variance, self.eps, inverse)
            np.sqrt(inverse, inverse)
            np.divide(1, inverse, inverse)
            np.multiply(inverse, w.get("weight", 1), flat)
            np.subtract(w.get("bias", 0), mean * flat, shift[:, 0, 0, 0])

        def adjoint(dy: Array) -> Backward:
            space = run.space(0)
            dbias, products, calls = _row_sums(dy, x, space)
            dscale, dx, dmoments = np.empty(c), spent(dy, run), np.zeros((3, c))
            dparams: dict[str, Array] = {}

            def differentiate() -> None:
                np.subtract(products, mean * dbias, dscale)
                np.multiply(dbias, -flat, dmoments[0])
                np.multiply(dscale, flat * inverse * inverse * -0.5, dmoments[1])

            calls.append(differentiate)
            if run.need_params and "weight" in w:
                calls += given(run, dparams, x.dtype, weight=lambda: dscale * inverse, bias=lambda: dbias)
            return Backward((dx, dmoments), [*calls, partial(np.multiply, dy, gain, dx)], dparams)

        return Forward(y, [prepare, partial(np.multiply, x, gain, y), partial(np.add, y, shift, y)], adjoint)


@dataclass(frozen=True)
class NormalizeRunning:
    """x * gain + shift with the running statistics, which are constants."""

    eps: float
    overwrites: ClassVar[bool] = True
    gives_away: ClassVar[bool] = True

    def pack(self, w: Params, *, need: bool, moves: bool) -> Packed:
        """gain = weight / sqrt(running_var + eps) and shift = bias - running_mean * gain, computed in float64."""
        kind = w["running_mean"]
        mean, gain, shift = (np.empty((len(kind), 1, 1, 1), kind.dtype) for _ in range(3))
        inverse = np.empty(len(kind))

        def fold() -> None:
            exact = w["running_mean"].astype(np.float64)
            inverse[...] = 1 / np.sqrt(w["running_var"].astype(np.float64) + self.eps)
            scale = inverse * w.get("weight", 1)
            mean[:, 0, 0, 0], gain[:, 0, 0, 0] = exact, scale
            shift[:, 0, 0, 0] = w.get("bias", 0) - exact * scale

        packed = {"mean": mean, "gain": gain, "shift": shift, "inverse": inverse, "affine": "weight" in w}
        return Packed(packed, [fold])

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        """x [C,H,W,N] -> y [C,H,W,N]."""
        (x,) = xs
        learns = run.need_params and w["affine"]
        y = own(x, run._replace(overwrite=run.overwrite and not learns))  # else backward needs x

        def adjoint(dy: Array) -> Backward:
            space = run.space(0)
            dparams: dict[str, Array] = {}
            calls: list[Call] = []
            if learns:
                centred = space.empty(x.shape, x.dtype)
                dbias, dscale, sums = _row_sums(dy, centred, space)
                calls = [partial(np.subtract, x, w["mean"], centred), *sums]
                calls += given(run, dparams, x.dtype, weight=lambda: dscale * w["inverse"], bias=lambda: dbias)
            if not run.need[0]:
                return Backward((None,), calls, dparams)
            dx = spent(dy, run)
            return Backward((dx,), [*calls, partial(np.multiply, dy, w["gain"], dx)], dparams)

        return Forward(y, [partial(np.multiply, x, w["gain"], y), partial(np.add, y, w["shift"], y)], adjoint)


def _row_sums(a: Array, b: Array, space: WorkSpace) -> tuple[Array, Array, list[Call]]:
    """A plan for the sums of a and of a * b for each channel, float64 [C]; along a row they are in a's dtype."""
    (a, calls), (b, more) = contiguous(a, space), contiguous(b, space)
    c, h = a.shape[:2]
    rows, others = a.reshape(c * h, -1), b.reshape(c * h, -1)
    ones, sums = _ones(rows.shape[1], a.dtype), space.empty((2, c, h), a.dtype)
    totals = np.empty((2, c))
    first, second = sums.reshape(2, c * h)
    calls += [*more, partial(np.matmul, rows, ones, first), partial(np.vecdot, rows, others, second)]
    calls.append(partial(np.add.reduce, sums, 2, np.float64, totals))
    return totals[0], totals[1], calls


@lru_cache(maxsize=256)
def _ones(length: int, dtype: np.dtype[Any]) -> Array:
    return np.ones(length, dtype)
