"""Activation layers: the shape stays, there are no parameters. What they share is `_Activation`'s three answers."""

from typing import ClassVar

from convserve_model import ranges
from convserve_model.kernels.activations import Activation, Relu
from convserve_model.kernels.activations import LeakyRelu as LeakyReluKernel
from convserve_model.layers.shapes import single
from convserve_model.protocols import Kernel, Shape, Spec
from convserve_model.values import dataclass


class _Activation:
    """The three answers of a layer that applies one of kernels.activations.FUNCTIONS."""

    function: ClassVar[str]

    def output(self, *shapes: Shape) -> Shape:
        return single(shapes)

    def weights(self, *shapes: Shape) -> dict[str, Spec]:
        return {}

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        return (Activation(self.function),)


@dataclass(frozen=True)
class ReLU(_Activation):
    """max(x, 0); the derivative at 0 is 0."""

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        return (Relu(),)


@dataclass(frozen=True)
class Sigmoid(_Activation):
    """1 / (1 + exp(-x))."""

    function: ClassVar[str] = "sigmoid"


@dataclass(frozen=True)
class Tanh(_Activation):
    """The hyperbolic tangent."""

    function: ClassVar[str] = "tanh"


@dataclass(frozen=True)
class GELU(_Activation):
    """x * Phi(x), the exact form with erf."""

    function: ClassVar[str] = "gelu"


@dataclass(frozen=True)
class SiLU(_Activation):
    """x * sigmoid(x)."""

    function: ClassVar[str] = "silu"


@dataclass(frozen=True)
class Softmax(_Activation):
    """exp(x) / sum(exp(x)) over channels or features."""

    function: ClassVar[str] = "softmax"


@dataclass(frozen=True)
class LeakyReLU(_Activation):
    """x where positive, else negative_slope * x."""

    negative_slope: float = 0.01

    def __post_init__(self) -> None:
        ranges.number("negative_slope", self.negative_slope, lambda v: True, "a finite number")

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        return (LeakyReluKernel(self.negative_slope),)
