"""How often and how many at once each API key may ask, counted over all workers in files that they lock.

What a process held is free when it dies, because its locks are. Source of the rate: the generic cell rate algorithm
(ATM Forum, Traffic Management 4.1), with one second's requests as the burst.
"""

import math
import os
import random
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from convserve_service.errors import RateLimited
from convserve_service.store.locks import locked
from convserve_service.store.records import ApiKey

DUE = struct.Struct("<d")


class Rates:
    """`clock` is in seconds, the same in all processes of this host."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock

    def take(self, key: ApiKey) -> Callable[[], None]:
        """One request of a key, until the function that this gives is called; RateLimited where it is one too many."""
        if key.concurrency is None and key.rate is None:
            return _nothing
        with ExitStack() as held:
            if key.concurrency is not None:
                self._slot(key, key.concurrency, held)
            if key.rate is not None:
                self._count(key, key.rate)
            return held.pop_all().close

    def _slot(self, key: ApiKey, most: int, held: ExitStack) -> None:
        first = random.randrange(most)
        for number in (*range(first, most), *range(first)):
            try:
                held.enter_context(locked(self._folder / f"key.{key.id}.{number}.lock", wait=False))
                return
            except BlockingIOError:
                continue
        raise RateLimited(f"'{key.name}' may have {most} requests answered at once; wait until one has ended", 1)

    def _count(self, key: ApiKey, rate: float) -> None:
        """The file holds when the next request is due, were they evenly spaced."""
        interval = 1 / rate
        early = max(0.0, 1 - interval)
        with locked(self._folder / f"key.{key.id}.lock") as descriptor:
            stored = os.pread(descriptor, DUE.size, 0)
            now = self._clock()
            due = DUE.unpack(stored)[0] if len(stored) == DUE.size else now
            if not now <= due <= now + early + 2 * interval:  # long past, or of another life of this host
                due = now
            if due - early > now:
                wait = due - early - now
                raise RateLimited(f"'{key.name}' may send {rate:g} requests a second; wait {math.ceil(wait)} s", wait)
            os.pwrite(descriptor, DUE.pack(due + interval), 0)


def _nothing() -> None:
    """What there is to give back where nothing was counted."""
