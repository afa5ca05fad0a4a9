"""Memory for requests: each says about how much it will take before it takes it, and all together have a bound.

The sums are estimates from above, so the bound is one on promises; what is small is not counted.
"""

import threading

from convserve_service.errors import Busy, LimitError

SMALL = 16 << 20  # bytes that any request may take


class Room:
    """At most `most` bytes for the requests of this process together. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._lock = threading.Lock()

    def take(self, size: int, what: str) -> int:
        """The bytes taken, to be given back. LimitError where there never are so many, Busy where others have them."""
        if size <= SMALL:
            return 0
        self.check(size, what)
        with self._lock:
            if self._used + size > self._most:
                raise Busy("others use the memory that this request needs; nothing was changed, repeat in a second")
            self._used += size
        return size

    def check(self, size: int, what: str) -> None:
        """LimitError where there can never be so many bytes."""
        if size > self._most:
            raise LimitError(
                f"{what} would take about {size >> 20:,} MiB of memory, but this server gives {self._most >> 20:,};"
                " send less in one request"
            )

    def give(self, size: int) -> None:
        with self._lock:
            self._used -= size
