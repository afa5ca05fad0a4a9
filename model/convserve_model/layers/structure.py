"""Layers that move or combine values: dropout, flatten, add, concat."""

import math

from convserve_model import ranges
from convserve_model.errors import ShapeError
from convserve_model.kernels import structure
from convserve_model.layers.shapes import image, single
from convserve_model.protocols import Kernel, Shape, Spec
from convserve_model.values import dataclass


@dataclass(frozen=True)
class Dropout:
    """PyTorch's Dropout: zeroes values with probability p in training, passes them on in evaluation."""

    p: float = 0.5

    def __post_init__(self) -> None:
        ranges.number("p", self.p, lambda v: 0 <= v <= 1, "a number from 0 to 1")

    def output(self, *shapes: Shape) -> Shape:
        return single(shapes)

    def weights(self, *shapes: Shape) -> dict[str, Spec]:
        return {}

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        return (structure.Dropout(self.p),) if train and self.p > 0 else ()


@dataclass(frozen=True)
class Flatten:
    """[C,H,W] -> [C*H*W] in PyTorch's order."""

    def output(self, *shapes: Shape) -> Shape:
        return (math.prod(image(shapes)),)

    def weights(self, *shapes: Shape) -> dict[str, Spec]:
        return {}

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        return (structure.Flatten(),)


@dataclass(frozen=True)
class Add:
    """The sum of two or more inputs of equal shape."""

    def output(self, *shapes: Shape) -> Shape:
        if len(shapes) < 2 or len(set(shapes)) != 1:
            raise ShapeError("two or more inputs of equal shape")
        return shapes[0]

    def weights(self, *shapes: Shape) -> dict[str, Spec]:
        return {}

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        return (structure.Add(),)


@dataclass(frozen=True)
class Concat:
    """Two or more inputs one after the other along channels (or features)."""

    def output(self, *shapes: Shape) -> Shape:
        if len(shapes) < 2 or len({shape[1:] for shape in shapes}) != 1:
            raise ShapeError("two or more inputs that are equal but for their channels")
        return sum(shape[0] for shape in shapes), *shapes[0][1:]

    def weights(self, *shapes: Shape) -> dict[str, Spec]:
        return {}

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        return (structure.Concat(),)
