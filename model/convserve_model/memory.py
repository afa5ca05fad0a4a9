"""Memory for values and gradients: new each time, or used again within a plan."""

import math
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from convserve_model.mapped import Mapped
from convserve_model.protocols import Array, Shape


class Fresh:
    """Python frees what nobody holds."""

    def empty(self, shape: Shape, dtype: Any) -> Array:
        return np.empty(shape, dtype)

    def release(self, gone: Iterable[Array], kept: Iterable[Array]) -> None:
        pass

    def free(self, memories: Iterable[Array], kept: Iterable[Array]) -> None:
        pass

    def taken(self) -> list[Array]:
        return []

    def hold(self) -> None:
        pass

    def let_go(self) -> None:
        pass

    def give_back(self) -> None:
        pass


class Values:
    """What no later call of a plan reads is used again. Nothing in it lasts from one run to the next."""

    def __init__(self) -> None:
        self._mapped = [Mapped()]
        self._free: list[Array] = []
        self._held: deque[list[Array]] = deque()
        self._own: set[int] = set()
        self._taken: list[Array] = []

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """Like np.empty: in the smallest free memory that is large enough, else new."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        fitting = [memory for memory in self._free if len(memory) >= size]
        memory = min(fitting, key=len, default=None)
        if memory is None:
            memory = self._new(size)
            self._own.add(id(memory))
        else:
            self._free = [other for other in self._free if other is not memory]
        self._taken.append(memory)
        return np.ndarray(shape, dtype, memory)

    def release(self, gone: Iterable[Array], kept: Iterable[Array]) -> None:
        """What the values that are gone lay in, where no other value lies there too."""
        self.free((value.base for value in gone), kept)

    def free(self, memories: Iterable[Array | None], kept: Iterable[Array]) -> None:
        """The same of `taken` memory."""
        used = {id(value.base) for value in kept}
        for memory in {id(memory): memory for memory in memories}.values():
            if memory is not None and id(memory) in self._own - used:
                (self._held[-1] if self._held else self._free).append(memory)

    def taken(self) -> list[Array]:
        """The memory that was given since this was asked last."""
        taken, self._taken = self._taken, []
        return taken

    def hold(self) -> None:
        """What becomes free from now on is not used again before it is let go."""
        self._held.append([])

    def let_go(self) -> None:
        """What became free after the first `hold`, but not after a second one."""
        self._free += self._held.popleft()

    def give_back(self) -> None:
        """All of it to the kernel, until the next run."""
        for mapped in self._mapped:
            mapped.give_back(0, mapped.used)

    def _new(self, size: int) -> Array:
        found = self._mapped[-1].empty((size,), np.uint8)
        if found is None:
            self._mapped.append(Mapped(size))
            return self._new(size)
        return found
