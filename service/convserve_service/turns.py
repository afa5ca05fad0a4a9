"""Who writes when: one at a time for each model or dataset, and a bounded queue."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from convserve_service.store.errors import KeyInFlight, StoreBusy
from convserve_service.store.locks import holder, locked, note
from convserve_service.store.records import Key, Reply
from convserve_service.store.store import Store


class Turns:
    """At most `writers` of this process hold or wait for locks. Locks only save work: commits compare."""

    def __init__(self, store: Store, writers: int) -> None:
        self._store = store
        self._slots = threading.BoundedSemaphore(writers)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """May wait for a lock; StoreBusy at once where too many do."""
        if not self._slots.acquire(blocking=False):
            raise StoreBusy("too many writers wait already; nothing was changed, repeat in a second")
        try:
            yield
        finally:
            self._slots.release()

    @contextmanager
    def take(self, name: str, key: Key | None = None) -> Iterator[Reply | None]:
        """Hold the lock of `name`; yields the stored reply where the key was applied in the meantime."""
        path = self._store.folder / "locks" / f"{name}.lock"
        mark = b"" if key is None else hashlib.sha256(f"{key.owner}\0{key.value}".encode()).digest()
        if mark and (holder(path) or b"").startswith(mark):
            raise KeyInFlight("the first request with this Idempotency-Key is still running; repeat in a second")
        with self.slot(), locked(path) as descriptor:
            note(descriptor, mark)
            yield None if key is None else self._store.replay(key)
