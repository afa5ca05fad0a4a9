"""Which CPUs the threads of a pool run on while they compute together with their caller: each on its own.

In a virtual machine Linux takes an idle CPU for one that the host has preempted, and wakes a thread on its waker's CPU
instead: for tens of milliseconds the two then share it, and another one idles.
"""

import ctypes
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from threading import Thread, local
from typing import Any


class Places:
    """For these threads and whoever calls `part`. Where the system knows no such thing it does nothing."""

    def __init__(self, threads: Sequence[Thread]) -> None:
        self._threads = threads if hasattr(os, "sched_setaffinity") else ()
        self._parted: tuple[int, set[int]] | None = None  # whom the others left: where, of what CPUs
        self._local = local()

    def join(self) -> None:
        """The caller is one of the threads: it goes where it is told."""
        self._local.placed = True

    def part(self) -> None:
        """The caller stays where it is, and the threads share its other CPUs evenly, if there are enough; nothing
        where that was done before."""
        if not self._threads or getattr(self._local, "placed", False):
            return
        with suppress(OSError):
            before, here = os.sched_getaffinity(0), current_cpu()
            others = sorted(before - {here})
            if here not in before or len(others) < len(self._threads):
                return
            if self._parted != (here, before):
                self._parted = None
                for number, thread in enumerate(self._threads):
                    assert thread.native_id
                    os.sched_setaffinity(thread.native_id, others[number :: len(self._threads)])
                self._parted = here, before
            os.sched_setaffinity(0, {here})
            self._local.placed, self._local.before = True, before

    def leave(self) -> None:
        """The caller may go where it could before."""
        before = getattr(self._local, "before", None)
        if before is not None:
            self._local.placed = self._local.before = None
            with suppress(OSError):
                os.sched_setaffinity(0, before)


def current_cpu() -> int:
    """That of the calling thread; -1 where nobody knows."""
    found: int = _getcpu()()
    return found


@cache
def _getcpu() -> Any:
    library = ctypes.PyDLL(None)  # which keeps the interpreter's lock, for some nanoseconds
    return getattr(library, "sched_getcpu", lambda: -1)
