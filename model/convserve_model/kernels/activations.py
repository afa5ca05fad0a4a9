"""Activations: a function of x, and its gradient as a function of (x, y, dy). One table."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from convserve_model.calls import done, own
from convserve_model.kernels.functions import erf, sigmoid, softmax
from convserve_model.protocols import Array, Backward, Gradients, Params, Plan, Run

SQRT_HALF = math.sqrt(0.5)
INV_SQRT_TAU = 1 / math.sqrt(2 * math.pi)
ZERO, INFINITY = np.zeros((), np.float32), np.full((), np.inf, np.float32)  # arrays need not be made of them each time


def _gelu(x: Array) -> Array:
    return np.asarray(x * 0.5 * (1 + erf(x * SQRT_HALF)))


def _gelu_adjoint(x: Array, y: Array, dy: Array) -> Array:
    density = np.exp(-0.5 * x * x) * INV_SQRT_TAU
    return np.asarray(dy * (0.5 * (1 + erf(x * SQRT_HALF)) + x * density))


def _silu_adjoint(x: Array, y: Array, dy: Array) -> Array:
    s = sigmoid(x)
    return np.asarray(dy * (s * (1 + x * (1 - s))))


FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array, Array], Array]]] = {
    "sigmoid": (sigmoid, lambda x, y, dy: dy * (y * (1 - y))),
    "tanh": (lambda x: np.tanh(x), lambda x, y, dy: dy * (1 - y * y)),
    "gelu": (_gelu, _gelu_adjoint),
    "silu": (lambda x: x * sigmoid(x), _silu_adjoint),
    "softmax": (softmax, lambda x, y, dy: y * (dy - (y * dy).sum(axis=0, keepdims=True))),
}


@dataclass(frozen=True)
class Activation:
    """One of FUNCTIONS, elementwise (softmax: over channels or features)."""

    function: str

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x of any shape -> y of the same."""
        (x,) = xs
        function, adjoint = FUNCTIONS[self.function]
        y = function(x)

        def backward(dy: Array) -> Gradients:
            return (adjoint(x, y, dy) if run.need[0] else None,), {}

        return y, backward


@dataclass(frozen=True)
class Relu:
    """max(x, 0), over x itself where that is nobody else's; the derivative at 0 is 0."""

    overwrites: ClassVar[bool] = True
    fresh: ClassVar[bool] = True

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x of any shape -> y of the same."""
        (x,) = xs
        y = done(self.plan(w, x, run=run))

        def backward(dy: Array) -> Gradients:
            if not run.need[0]:
                return (None,), {}
            return (np.multiply(dy, y > 0, out=dy if run.spend else None),), {}

        return y, backward

    def plan(self, w: Params, *xs: Array, run: Run) -> Plan:
        (x,) = xs
        y = own(x, run)
        return y, [partial(x.clip, ZERO, INFINITY, out=y)]  # three times as fast as np.maximum with a scalar


@dataclass(frozen=True)
class LeakyRelu:
    """x where positive, else slope * x; the derivative at 0 is the slope."""

    negative_slope: float

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x of any shape -> y of the same."""
        (x,) = xs
        slope = self.negative_slope
        y = np.maximum(x, 0) + slope * np.minimum(x, 0)

        def backward(dy: Array) -> Gradients:
            return (dy * ((x > 0) * x.dtype.type(1 - slope) + x.dtype.type(slope)) if run.need[0] else None,), {}

        return y, backward
