"""The fully connected layer."""

import math

from convserve_model import ranges
from convserve_model.errors import ShapeError
from convserve_model.kernels.linear import MatMul
from convserve_model.layers.shapes import single
from convserve_model.protocols import Kernel, Shape, Spec
from convserve_model.values import dataclass


@dataclass(frozen=True)
class Linear:
    """PyTorch's Linear on flat input; weight is [out_features, in_features]."""

    out_features: int
    bias: bool = True

    def __post_init__(self) -> None:
        ranges.integer("out_features", self.out_features, 1)
        ranges.boolean("bias", self.bias)

    def output(self, *shapes: Shape) -> Shape:
        if len(single(shapes)) != 1:
            raise ShapeError("flat input of shape [features]; put a flatten layer before it")
        return (self.out_features,)

    def weights(self, *shapes: Shape) -> dict[str, Spec]:
        (fan_in,) = single(shapes)
        bound = 1 / math.sqrt(fan_in)
        specs = {"weight": Spec((self.out_features, fan_in), bound)}
        return {**specs, "bias": Spec((self.out_features,), bound)} if self.bias else specs

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        return (MatMul(),)
