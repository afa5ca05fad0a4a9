"""Memory for values and gradients: new each time, or used again within a plan."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from convserve_model.protocols import Array, Shape


class Fresh:
    """Python frees what nobody holds."""

    def empty(self, shape: Shape, dtype: Any) -> Array:
        return np.empty(shape, dtype)

    def release(self, gone: Iterable[Array], kept: Iterable[Array]) -> None:
        pass


class Values:
    """What no later call of a plan reads is used again."""

    def __init__(self) -> None:
        self._free: list[Array] = []
        self._own: set[int] = set()

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """Like np.empty: in the smallest free memory that is large enough, else new."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        fitting = [memory for memory in self._free if len(memory) >= size]
        memory = min(fitting, key=len, default=None)
        if memory is None:
            memory = np.empty(size, np.uint8)
            self._own.add(id(memory))
        else:
            self._free = [other for other in self._free if other is not memory]
        return np.ndarray(shape, dtype, memory)

    def release(self, gone: Iterable[Array], kept: Iterable[Array]) -> None:
        """What the values that are gone lay in, where no other value lies there too."""
        used = {id(value.base) for value in kept}
        for memory in {id(value.base): value.base for value in gone}.values():
            if memory is not None and id(memory) in self._own - used:
                self._free.append(memory)
