"""Methods made of the derivative of an output with respect to x: at x, on the way to x, and around x."""

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

import numpy as np

from convserve_model import ranges
from convserve_model.explain.subject import Found, Subject
from convserve_model.protocols import Array
from convserve_model.randomness import Purpose, generator
from convserve_model.values import dataclass


@dataclass(frozen=True)
class Saliency:
    """|dF/dx|. Source: Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks" (2014)."""

    passes: ClassVar[int] = 1
    signed: ClassVar[bool] = False
    one_by_one: ClassVar[bool] = False

    def __call__(self, subject: Subject, x: Array, target: Array) -> Found:
        return {"explanation": np.abs(subject.sensitivity(x, target)[1])}


@dataclass(frozen=True)
class InputXGradient:
    """x * dF/dx. Source: Shrikumar, Greenside, Kundaje, "Not just a black box" (2016)."""

    passes: ClassVar[int] = 1
    signed: ClassVar[bool] = True
    one_by_one: ClassVar[bool] = False

    def __call__(self, subject: Subject, x: Array, target: Array) -> Found:
        return {"explanation": x * subject.sensitivity(x, target)[1]}


@dataclass(frozen=True)
class IntegratedGradients:
    """(x - baseline) * the mean of dF/dx on the way from the baseline to x, by Gauss-Legendre quadrature.

    `baseline` is in the units of x, after preprocessing: a number, or one for each channel. `completeness_error` [N] is
    |sum(explanation) - (F(x) - F(baseline))|, which more `steps` make small.
    Source: Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks" (2017).
    """

    steps: int = 50
    baseline: float | Sequence[float] = 0.0
    signed: ClassVar[bool] = True
    one_by_one: ClassVar[bool] = True

    def __post_init__(self) -> None:
        ranges.integer("steps", self.steps, 1)
        for value in self._baseline:
            ranges.number("baseline", value, lambda v: True, "a finite number, or one for each channel")

    @property
    def passes(self) -> int:
        return self.steps

    def __call__(self, subject: Subject, x: Array, target: Array) -> Found:
        baseline = self._filled(x)
        positions, weights = _quadrature(self.steps)
        alphas = positions.astype(x.dtype)[:, None, None, None]
        mean = np.zeros(x.shape[1:])
        for piece in subject.pieces(self.steps):
            points = baseline + alphas[piece] * (x - baseline)
            _, slopes = subject.sensitivity(points, target.repeat(len(points)))
            mean += np.tensordot(weights[piece], slopes.astype(np.float64), 1)
        values = ((x - baseline) * mean).astype(x.dtype)
        end, start = subject.outputs(np.concatenate([x, baseline]))[:, target[0]]
        error = np.abs(values.sum(dtype=np.float64) - (end - start))
        return {"explanation": values, "completeness_error": error.astype(x.dtype)[None]}

    @property
    def _baseline(self) -> Sequence[float]:
        return self.baseline if isinstance(self.baseline, Sequence) else (self.baseline,)

    def _filled(self, x: Array) -> Array:
        """The baseline shaped like x; OptionError where it has other channels."""
        fits = len(self._baseline) in (1, x.shape[1])
        ranges.check("baseline", self.baseline, fits, f"a number, or {x.shape[1]} of them, one for each channel")
        return np.broadcast_to(np.array(self._baseline, x.dtype)[:, None, None], x.shape)


@dataclass(frozen=True)
class SmoothGrad:
    """The mean of |dF/dx| at x with Gaussian noise, whose standard deviation is `noise` times the row's range.

    Captum's NoiseTunnel over Saliency, with the paper's unit of noise. Every row gets the same draws: they are keyed by
    (seed, sample).
    Source: Smilkov et al., "SmoothGrad: removing noise by adding noise" (2017).
    """

    samples: int = 50
    noise: float = 0.15
    seed: int = 0
    signed: ClassVar[bool] = False
    one_by_one: ClassVar[bool] = True

    def __post_init__(self) -> None:
        ranges.integer("samples", self.samples, 1)
        ranges.number("noise", self.noise, lambda v: v >= 0, "a number of at least 0")
        ranges.integer("seed", self.seed, 0)

    @property
    def passes(self) -> int:
        return self.samples

    def __call__(self, subject: Subject, x: Array, target: Array) -> Found:
        deviation = x.dtype.type(self.noise) * (x.max() - x.min())
        total = np.zeros(x.shape[1:])
        for piece in subject.pieces(self.samples):
            draws = np.stack([self._draw(sample, x) for sample in range(piece.start, piece.stop)])
            _, slopes = subject.sensitivity(x + deviation * draws, target.repeat(len(draws)))
            total += np.abs(slopes).sum(axis=0, dtype=np.float64)
        return {"explanation": (total / self.samples).astype(x.dtype)[None]}

    def _draw(self, sample: int, x: Array) -> Array:
        random = generator(Purpose.SMOOTHGRAD, seed=self.seed, index=sample)
        return random.standard_normal(x.shape[1:], np.float32).astype(x.dtype)


@lru_cache(maxsize=64)
def _quadrature(steps: int) -> tuple[Array, Array]:
    """Positions on the way from 0 to 1 and weights whose sum is 1."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    positions, shares = (1 + nodes) / 2, weights / 2
    positions.flags.writeable = shares.flags.writeable = False
    return positions, shares
