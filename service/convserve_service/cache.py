"""Recently used versions of a worker: immutable, so that they can never be out of date."""

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")


class Cache(Generic[V]):
    """Least recently used first out, beyond `limit` bytes; one value always stays. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._values: OrderedDict[tuple[str, int], tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, at: tuple[str, int]) -> V | None:
        with self._lock:
            if at not in self._values:
                return None
            self._values.move_to_end(at)
            return self._values[at][0]

    def put(self, at: tuple[str, int], value: V, size: int) -> None:
        """Keep a value of so many bytes, if it is not there."""
        with self._lock:
            if at in self._values:
                return
            self._values[at] = (value, size)
            self._used += size
            while self._used > self._limit and len(self._values) > 1:
                _, (_, dropped) = self._values.popitem(last=False)
                self._used -= dropped
