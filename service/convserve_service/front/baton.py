"""One thread at a time takes what is next, and goes on with it while that is quick.

Threads that all run Python take the interpreter from each other at every system call, and that costs more than a short
request: one thread at a time answers a fifth more predictions than sixteen do. But where something takes long, the
others must not wait for it.
"""

import threading
import time
from collections.abc import Callable

QUICK_SECONDS = 0.005
LONG_SECONDS = 0.02  # worth remembering
KINDS = 256


class Baton:
    """`wake` wakes whoever calls `watch`."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._turn = threading.Lock()  # let go by the watcher where its holder takes long
        self._guard = threading.Lock()
        self._holder = 0
        self._since = 0.0
        self._works = self._watched = 0
        self._unwatched = False
        self._slow: set[str] = set()

    def take(self) -> None:
        """Wait for the turn; a thread that has kept it goes on."""
        if self._holder != threading.get_ident():
            self._turn.acquire()
            self._holder = threading.get_ident()

    def begin(self) -> float:
        """When a thread begins something; who watches is woken to see whether it takes long."""
        now = time.monotonic()
        self._works += 1
        if self._holder == threading.get_ident():
            self._since = now
            if self._unwatched:
                self._unwatched = False
                self._wake()
        return now

    def expect(self, kind: str) -> None:
        """It is of a kind; what took long the last time goes on without the turn."""
        if kind in self._slow:
            self._pass(threading.get_ident())

    def end(self, kind: str, began: float) -> None:
        """It is done; the turn stays with this thread, unless it was given away."""
        with self._guard:
            if self._holder == threading.get_ident():
                self._since = 0.0
        if time.monotonic() - began < LONG_SECONDS:
            self._slow.discard(kind)
        elif len(self._slow) < KINDS:
            self._slow.add(kind)

    def watch(self) -> float:
        """Give the turn to another where its holder takes long; seconds until this is worth calling again."""
        holder, since = self._holder, self._since
        if since and time.monotonic() - since > QUICK_SECONDS:
            self._pass(holder, since)
        idle = self._works == self._watched and not self._since
        self._watched = self._works
        self._unwatched = idle
        return 3600.0 if idle and not self._since else QUICK_SECONDS

    def _pass(self, holder: int, since: float | None = None) -> None:
        with self._guard:
            if self._holder == holder and since in (None, self._since):
                self._holder, self._since = 0, 0.0
                self._turn.release()
