"""Losses on logits [K,n] of one microbatch: the sum over its rows and the unscaled gradient; PyTorch's definitions.

The mean is taken by the executor, which alone knows the whole batch: it divides by N (cross-entropy) or N * K.
"""

from typing import ClassVar, Protocol

import numpy as np

from convserve_model import ranges
from convserve_model.kernels.functions import log_softmax, sigmoid
from convserve_model.protocols import Array
from convserve_model.values import dataclass


class Loss(Protocol):
    per_element: ClassVar[bool]  # the mean is over N * K elements, else over N rows
    takes_indices: ClassVar[bool]  # targets may be class indices

    def __call__(self, logits: Array, target: Array) -> tuple[float, Array]: ...


@dataclass(frozen=True)
class CrossEntropy:
    """Softmax and negative log-likelihood; targets are class indices [n] or probabilities [K,n]."""

    label_smoothing: float = 0.0
    per_element: ClassVar[bool] = False
    takes_indices: ClassVar[bool] = True

    def __post_init__(self) -> None:
        ranges.number("label_smoothing", self.label_smoothing, lambda v: 0 <= v <= 1, "a number from 0 to 1")

    def __call__(self, logits: Array, target: Array) -> tuple[float, Array]:
        k, n = logits.shape
        if target.ndim == 1:
            wanted = np.zeros_like(logits)
            wanted[target, np.arange(n)] = 1
        else:
            wanted = target.astype(logits.dtype)
        if self.label_smoothing:
            wanted = wanted * (1 - self.label_smoothing) + self.label_smoothing / k
        logs = log_softmax(logits)
        loss = -(wanted * logs).sum(dtype=np.float64)
        return float(loss), np.exp(logs) * wanted.sum(axis=0, keepdims=True) - wanted


@dataclass(frozen=True)
class MSE:
    """(logits - target)²."""

    per_element: ClassVar[bool] = True
    takes_indices: ClassVar[bool] = False

    def __call__(self, logits: Array, target: Array) -> tuple[float, Array]:
        error = logits - target
        return float((error * error).sum(dtype=np.float64)), 2 * error


@dataclass(frozen=True)
class L1:
    """|logits - target|; the derivative at 0 is 0."""

    per_element: ClassVar[bool] = True
    takes_indices: ClassVar[bool] = False

    def __call__(self, logits: Array, target: Array) -> tuple[float, Array]:
        error = logits - target
        return float(np.abs(error).sum(dtype=np.float64)), np.sign(error)


@dataclass(frozen=True)
class Huber:
    """Quadratic below delta, linear above (Huber, 1964)."""

    delta: float = 1.0
    per_element: ClassVar[bool] = True
    takes_indices: ClassVar[bool] = False

    def __post_init__(self) -> None:
        ranges.number("delta", self.delta, lambda v: v > 0, "a number above 0")

    def __call__(self, logits: Array, target: Array) -> tuple[float, Array]:
        error = logits - target
        near = np.clip(error, -self.delta, self.delta)
        return float((near * (error - 0.5 * near)).sum(dtype=np.float64)), near


@dataclass(frozen=True)
class BCEWithLogits:
    """Sigmoid and binary cross-entropy; targets are probabilities."""

    per_element: ClassVar[bool] = True
    takes_indices: ClassVar[bool] = False

    def __call__(self, logits: Array, target: Array) -> tuple[float, Array]:
        loss = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
        return float(loss.sum(dtype=np.float64)), sigmoid(logits) - target


LOSSES: dict[str, type[CrossEntropy | MSE | L1 | Huber | BCEWithLogits]] = {
    "cross_entropy": CrossEntropy,
    "mse": MSE,
    "bce_with_logits": BCEWithLogits,
    "l1": L1,
    "huber": Huber,
}
