"""Work space: memory that a step writes and reads again while it is in the cache, and the next step writes over."""

import mmap
from collections.abc import Callable
from math import prod
from threading import local
from typing import Any

import numpy as np
import numpy.typing as npt

MEMORY = 4 << 20  # bytes; mapped, so that what is never touched takes no room
ALIGNED = 64
GAP = 5  # times ALIGNED between pieces, so that those of a power of two do not share cache sets

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Spans = tuple[tuple[int, int], ...]
Bordered = Callable[[Shape, np.dtype[Any], Spans, float], Array]


def bordered(shape: Shape, dtype: np.dtype[Any], inner: Spans, fill: float) -> Array:
    """An image [C,h,w,N] to be filled in from row to row and column to column of `inner`; beyond them is `fill`."""
    return np.full(shape, fill, dtype) if fill else np.zeros(shape, dtype)


class WorkSpace:
    """Pieces of one memory, one behind the other, until it is used from an earlier place again. For one thread."""

    def __init__(self, bordered: Bordered = bordered) -> None:
        self.used = 0
        self.bordered = bordered
        self._memory = mmap.mmap(-1, MEMORY, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """Like np.empty; what does not fit is memory of its own."""
        start, size = self.used, prod(shape) * np.dtype(dtype).itemsize
        if start + size > MEMORY:
            return np.empty(shape, dtype)
        self.used += (-(-size // ALIGNED) + GAP) * ALIGNED
        return np.ndarray(shape, dtype, self._memory, start)


def own() -> WorkSpace:
    """This thread's until it gives it back, from its start."""
    space: WorkSpace | None = getattr(_threads, "space", None)
    if space is None:
        try:
            space = _idle.pop()
        except IndexError:
            space = WorkSpace()
        _threads.space = space
    space.used = 0
    return space


def give_back() -> None:
    """What this thread has is for whoever computes next: many threads that seldom compute need few."""
    space: WorkSpace | None = getattr(_threads, "space", None)
    if space is not None:
        del _threads.space
        _idle.append(space)


_threads = local()
_idle: list[WorkSpace] = []
