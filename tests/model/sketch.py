"""A stream of choices, and an architecture in the making.

Only Philox's `random()` is drawn from, so that every NumPy version gives the same. Values fit float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod, sqrt
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Array = npt.NDArray[Any]
Shape = tuple[int, ...]


class Draw:
    """Choices and arrays of one stream."""

    def __init__(self, seed: int, stream: int) -> None:
        self.random = np.random.Generator(np.random.Philox(key=np.array([seed, stream], np.uint64))).random

    def chance(self, probability: float) -> bool:
        return float(self.random()) < probability

    def whole(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return low + int(float(self.random()) * (high - low + 1))

    def among(self, values: Sequence[T]) -> T:
        return values[self.whole(0, len(values) - 1)]

    def array(self, shape: Shape, low: float, high: float) -> Array:
        return (low + (high - low) * self.random(shape)).astype(np.float32).astype(np.float64)


@dataclass
class Sketch:
    """An architecture in the making: `at` is where it stands, `shape` what is there (per sample)."""

    draw: Draw
    batch: int
    small: bool
    shape: Shape
    at: str = "x"
    layers: list[dict[str, Any]] = field(default_factory=list)
    tensors: dict[str, tuple[Shape, float, float]] = field(default_factory=dict)

    def put(self, kind: str, shape: Shape, *inputs: str, **options: Any) -> str:
        """Appends a layer that reads `inputs`, by default where the sketch stands; says its name."""
        position, previous = len(self.layers), self.layer_name()
        entry = {"type": kind, **options}
        style = self.draw.whole(0, 3)
        name = (str(position), f"{kind}_{position}", f"block{position}.{kind}", f"{kind}{position}")[style]
        if style:
            entry["name"] = name
        sources = list(inputs or (self.at,))
        if sources != [previous] or self.draw.chance(0.2):
            entry["inputs"] = sources
        self.layers.append(entry)
        self.at, self.shape = name, shape
        return name

    def layer_name(self) -> str:
        """The name of the layer before, which a layer without `inputs` reads."""
        return self.layers[-1].get("name", str(len(self.layers) - 1)) if self.layers else "x"

    def weight(self, layer: str, shape: Shape, *, bias: bool) -> None:
        bound = sqrt(3 / prod(shape[1:]))
        self.tensors[f"{layer}.weight"] = (shape, -bound, bound)
        if bias:
            self.tensors[f"{layer}.bias"] = (shape[:1], -0.5, 0.5)

    def pair(self, values: Sequence[int]) -> Any:
        """A number or a pair of numbers."""
        return [self.draw.among(values), self.draw.among(values)] if self.draw.chance(0.4) else self.draw.among(values)
