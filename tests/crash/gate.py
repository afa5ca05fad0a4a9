"""A gate that all clients pass for each request: closed, it leaves the service in peace."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.crash.promises import BrokenPromise

QUIET_SECONDS = 60


class Gate:
    """Closed at first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = False
        self._inside = 0

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Wait until it is open; `wait_quiet` waits until the block ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._open)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def open(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody comes in any more."""
        with self._changed:
            self._open = False

    def wait_quiet(self) -> None:
        """Until nobody is inside; BrokenPromise where that takes too long."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._inside, QUIET_SECONDS):
                raise BrokenPromise("a request is answered", f"{self._inside} were not in {QUIET_SECONDS} s")
