"""Recently used versions of a worker: immutable, so that they can never be out of date."""

import threading
from collections import OrderedDict

from convserve_model import Snapshot


class Cache:
    """Least recently used first out, beyond `limit` bytes; one version always stays. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._versions: OrderedDict[tuple[str, int], Snapshot] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, at: tuple[str, int]) -> Snapshot | None:
        with self._lock:
            if at in self._versions:
                self._versions.move_to_end(at)
            return self._versions.get(at)

    def put(self, at: tuple[str, int], snapshot: Snapshot) -> None:
        with self._lock:
            if at in self._versions:
                return
            self._versions[at] = snapshot
            self._used += snapshot.nbytes
            while self._used > self._limit and len(self._versions) > 1:
                _, dropped = self._versions.popitem(last=False)
                self._used -= dropped.nbytes
