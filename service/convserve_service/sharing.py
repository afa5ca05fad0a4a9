"""Workers that share new connections evenly: who has more than another lets that one accept first.

gunicorn's threaded workers all accept at once, so that whichever wakes first may get nearly all of them.
"""

import mmap
import time
from dataclasses import dataclass, field
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from convserve_service import waiting

YIELD_SECONDS = 0.01  # a worker that is too busy to accept by then has had its chance
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


class SharingWorker(ThreadWorker):  # type: ignore[misc]
    """A worker with a `slot` of `counts`; both are set before the fork."""

    counts: Counts
    slot: int
    _most: int
    _resting_until = 0.0
    _rested = False

    @property
    def worker_connections(self) -> int:
        """How many connections it takes: none while it lets others accept."""
        return 0 if time.monotonic() < self._resting_until else self._most

    @worker_connections.setter
    def worker_connections(self, most: int) -> None:
        self._most = most

    def enqueue_req(self, conn: Any) -> None:
        conn.queued = time.monotonic_ns()
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        """A thread takes a connection with a request: the request is told how long it waited for that."""
        waiting.tell(time.monotonic_ns() - conn.queued)
        return super().handle(conn)

    def accept(self, listener: Any) -> None:
        """Accept, unless another has fewer connections and was not waited for yet."""
        self._tell()
        if self.nr_conns > self.counts.least() and not self._rested:
            self._resting_until, self._rested = time.monotonic() + YIELD_SECONDS, True
            self.set_accept_enabled(False)
            return
        self._rested = False
        super().accept(listener)
        self._tell()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        self._tell()
        rest = self._resting_until - time.monotonic()
        super().wait_for_and_dispatch_events(min(timeout, rest) if rest > 0 else timeout)

    def _tell(self) -> None:
        self.counts.slots[self.slot] = self.nr_conns
