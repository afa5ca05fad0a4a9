"""Activations: a function of x, and its gradient as a function of (x, y, dy). One table."""

import math
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import numpy as np

from convserve_model.calls import along, own, result, spent
from convserve_model.kernels.functions import erf, sigmoid, softmax
from convserve_model.protocols import Array, Backward, Forward, Params, Run
from convserve_model.values import dataclass

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

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        """x of any shape -> y of the same."""
        (x,) = xs
        function, slope = FUNCTIONS[self.function]
        y = result(run, x.shape, x.dtype)

        def adjoint(dy: Array) -> Backward:
            dx = spent(dy, run)
            return along((dx,), [lambda: np.copyto(dx, slope(x, y, dy))])

        return Forward(y, [lambda: np.copyto(y, function(x))], adjoint)


@dataclass(frozen=True)
class Relu:
    """max(x, 0), over x itself where that is nobody else's; the derivative at 0 is 0."""

    overwrites: ClassVar[bool] = True
    fresh: ClassVar[bool] = True

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        """x of any shape -> y of the same."""
        (x,) = xs
        y = own(x, run)

        def adjoint(dy: Array) -> Backward:
            dx, mask = spent(dy, run), run.space(0).empty(y.shape, np.bool_)
            return along((dx,), [partial(np.greater, y, ZERO, mask), partial(np.multiply, dy, mask, dx)])

        return Forward(y, [partial(x.clip, ZERO, INFINITY, out=y)], adjoint)  # np.maximum takes three times as long


@dataclass(frozen=True)
class LeakyRelu:
    """x where positive, else slope * x; the derivative at 0 is the slope."""

    negative_slope: float

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        """x of any shape -> y of the same."""
        (x,) = xs
        slope, rest = x.dtype.type(self.negative_slope), x.dtype.type(1 - self.negative_slope)
        y = result(run, x.shape, x.dtype)

        def adjoint(dy: Array) -> Backward:
            dx = spent(dy, run)
            return along((dx,), [lambda: np.multiply(dy, (x > 0) * rest + slope, out=dx)])

        return Forward(y, [lambda: np.add(np.maximum(x, 0), slope * np.minimum(x, 0), out=y)], adjoint)
