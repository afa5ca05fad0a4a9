"""Who writes when: one at a time for each model or dataset, and a bounded queue."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from convserve_service.store.errors import KeyInFlight, StoreBusy
from convserve_service.store.locks import holder, locked, note
from convserve_service.store.records import Key, Reply
from convserve_service.store.store import Store

Told = Callable[[int], None]


def nobody(change: int) -> None:
    """Where nobody wants to know."""


class Turns:
    """At most `writers` of this process hold or wait for locks. Locks only save work: commits compare.

    `waiting` and `writing` are told 1 when a writer begins that, and -1 when it ends it.
    """

    def __init__(self, store: Store, writers: int, *, waiting: Told = nobody, writing: Told = nobody) -> None:
        self._store = store
        self._waiting = waiting
        self._writing = writing
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
        with self.slot(), self._locked(path) as descriptor:
            note(descriptor, mark)
            yield None if key is None else self._store.replay(key)

    @contextmanager
    def _locked(self, path: Path) -> Iterator[int]:
        with ExitStack() as held:
            with _during(self._waiting):
                descriptor = held.enter_context(locked(path))
            with _during(self._writing):
                yield descriptor


@contextmanager
def _during(told: Told) -> Iterator[None]:
    told(1)
    try:
        yield
    finally:
        told(-1)
