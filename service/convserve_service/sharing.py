"""New connections shared evenly by the workers: who has more than another lets that one accept first.

All workers would accept at once otherwise, so that whichever wakes first may get nearly all of them.
"""

import mmap
from dataclasses import dataclass, field

YIELD_SECONDS = 0.01  # a worker that is too busy to accept by then has had its chance
LOOK_SECONDS = 0.0005  # how often a worker that yields looks whether the others have as many
NOBODY = 0xFFFFFFFF


@dataclass(frozen=True)
class Counts:
    """Open connections of each worker, in memory that all processes share; made before the first fork."""

    slots: memoryview = field(default_factory=lambda: memoryview(mmap.mmap(-1, 4096)).cast("I"))

    def __post_init__(self) -> None:
        for slot in range(len(self.slots)):
            self.slots[slot] = NOBODY

    def join(self) -> int:
        """A free slot, for a worker that is about to be born."""
        slot = self.slots.tolist().index(NOBODY)
        self.slots[slot] = 0
        return slot

    def leave(self, slot: int) -> None:
        """A worker ended, however it did."""
        self.slots[slot] = NOBODY

    def least(self) -> int:
        return min(self.slots)


@dataclass
class Share:
    """What one worker may accept. Times are of the monotonic clock."""

    counts: Counts
    slot: int
    _until: float = 0.0
    _rested: bool = False

    def tell(self, connections: int) -> None:
        """How many the worker has now."""
        self.counts.slots[self.slot] = connections

    def leave(self) -> None:
        """The worker ended, however it did."""
        self.counts.leave(self.slot)

    def yields(self, connections: int, now: float) -> bool:
        """Whether to let another accept what is there: it has fewer, and was not waited for yet."""
        if connections > self.counts.least() and not self._rested:
            self._until, self._rested = now + YIELD_SECONDS, True
            return True
        self._rested = False
        return False

    def rests(self, connections: int, now: float) -> bool:
        """Whether it still waits for another to accept: not when all have as many, or all would wait for each other."""
        return now < self._until and connections > self.counts.least()
