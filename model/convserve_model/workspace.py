"""Work space: memory that a step writes and reads again while it is in the cache, and the next step writes over."""

from collections import deque
from functools import lru_cache
from typing import Any

import numpy as np

from convserve_model.mapped import Array, Mapped, Shape

STAYS = 8 << 20  # of what was touched, once a run is over
FEW = 4  # bordered images: those of the first strip, of the last one and of all between them

Spans = tuple[tuple[int, int], ...]


def bordered(shape: Shape, dtype: np.dtype[Any], inner: Spans, fill: float) -> Array:
    """An image [C,h,w,N] to be filled in from row to row and column to column of `inner`; beyond them is `fill`."""
    return np.full(shape, fill, dtype) if fill else np.zeros(shape, dtype)


class WorkSpace:
    """Pieces of one memory, one behind the other, until it is used from an earlier place again. For one thread at a
    time."""

    def __init__(self) -> None:
        self._memory, self._most = Mapped(), 0
        self.bordered = lru_cache(FEW)(bordered)  # the last few are given again

    @property
    def used(self) -> int:
        """Bytes from the start, after which the next piece lies."""
        return self._memory.used

    @used.setter
    def used(self, used: int) -> None:
        self._most = max(self._most, self._memory.used)
        self._memory.used = used

    def keep(self) -> None:
        """From now on all bordered images are given again, for a plan that keeps them."""
        self.bordered = lru_cache(None)(bordered)

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """Like np.empty; what does not fit is memory of its own."""
        found = self._memory.empty(shape, dtype)
        return np.empty(shape, dtype) if found is None else found

    def trim(self) -> None:
        """Keeps no more than what most steps need."""
        self.bordered.cache_clear()
        self.used = 0
        self._memory.give_back(STAYS, self._most)
        self._most = 0


class Spaces:
    """Work space for each part of a plan, which a plan that is kept does not give back; and other for what is made
    beside the rest, in each `turn`."""

    def __init__(self, *, kept: bool = False) -> None:
        self.turn = 1
        self._kept = kept
        self._of: dict[tuple[int, int], WorkSpace] = {}

    def __call__(self, part: int) -> WorkSpace:
        """From its start."""
        return self._from_start(0, part)

    def apart(self, part: int) -> WorkSpace:
        """The same of this turn."""
        return self._from_start(self.turn, part)

    def _from_start(self, turn: int, part: int) -> WorkSpace:
        space = self._of.get((turn, part))
        if space is None:
            space = self._of[turn, part] = _lent(part)
            if self._kept:
                space.keep()
        space.used = 0
        return space

    def give_back(self) -> None:
        """Many threads that seldom compute need few."""
        if not self._kept:
            for (_, part), space in self._of.items():
                (_idle.append if part < 0 else _idle.appendleft)(space)
            self._of.clear()


def trim() -> None:
    """What nobody uses now shall keep no more than what most steps need."""
    for _ in range(len(_idle)):
        try:
            space = _idle.popleft()
        except IndexError:  # others took them meanwhile
            return
        space.trim()
        _idle.append(space)


def _lent(part: int) -> WorkSpace:
    """What all parts read takes more than each of them, and gets what had more."""
    try:
        return _idle.pop() if part < 0 else _idle.popleft()
    except IndexError:
        return WorkSpace()


_idle: deque[WorkSpace] = deque()
