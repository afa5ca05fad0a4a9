"""Memory straight from the kernel: what is never touched takes no room, and what was can be given back."""

import mmap
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

MEMORY = 64 << 20  # bytes
ALIGNED = 64
GAP = 5  # times ALIGNED between pieces, so that those of a power of two do not share cache sets

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


class Mapped:
    """Pieces of one memory, one behind the other from `used` on."""

    def __init__(self, size: int = 0) -> None:
        self.used = 0
        self._size = max(size, MEMORY)
        self._memory = mmap.mmap(-1, self._size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def empty(self, shape: Shape, dtype: Any) -> Array | None:
        """Like np.empty; None where it does not fit."""
        start, size = self.used, prod(shape) * np.dtype(dtype).itemsize
        if start + size > self._size:
            return None
        self.used += (-(-size // ALIGNED) + GAP) * ALIGNED
        return np.ndarray(shape, dtype, self._memory, start)

    def give_back(self, start: int, stop: int) -> None:
        """These bytes to the kernel; they are zeros then."""
        if start < stop:
            self._memory.madvise(mmap.MADV_DONTNEED, start, min(stop, self._size) - start)
