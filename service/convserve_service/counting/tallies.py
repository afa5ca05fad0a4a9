"""Numbers of all processes of the service, in memory that they share: each adds to its own part, who reads sums.

What a process counted before it died stays, and its successor goes on with it. There is no lock between processes:
nobody else writes to a part, and an aligned number of 8 bytes is written at once.
"""

import mmap
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping

Key = tuple[str, ...]
Change = tuple[Key, Mapping[int, int]]  # amounts by cell
KEY_BYTES, CELLS = 128, 24
ROW_BYTES = KEY_BYTES + 8 * CELLS
NUMBERS = struct.Struct(f"{CELLS}q")
LATEST = 0  # this cell is set, and of all parts the greatest counts; all others are summed
GAUGE = "gauge"  # rows of this kind are about now, and end with their process
USED, UNCOUNTED = 0, 1  # in the first row of a part
PARTS = 65  # one for the jobs, 64 for workers
ROWS = 8192  # of a part; memory is taken only where it is written
PATIENCE_SECONDS = 60.0  # between two searches for rows that nobody needs


def nothing(keys: Iterable[Key]) -> Iterable[Key]:
    """Every row is needed."""
    return ()


class Tallies:
    """Rows of CELLS integers under keys of a few words without blanks; made before the first fork.

    `stale` is asked, once the part is full, which of its keys nobody needs. A process calls `join` after its fork.
    """

    def __init__(self, parts: int = 1, rows: int = ROWS) -> None:
        self.started = time.time()
        self.stale: Callable[[Iterable[Key]], Iterable[Key]] = nothing
        self._parts, self._rows = parts, rows
        self._bytes = memoryview(mmap.mmap(-1, parts * rows * ROW_BYTES))
        self._numbers = self._bytes.cast("q")
        self.join(0)

    def join(self, part: int) -> None:
        """From now on this process adds to a part; what is there it goes on with."""
        part = min(part, self._parts - 1)
        self._lock = threading.Lock()
        self._base = part * self._rows * ROW_BYTES
        self._at: dict[Key, int] = {}
        self._free: list[int] = []
        self._searched = 0.0
        for start in self._starts(part):
            if key := self._key(start):
                self._at[key] = (start + KEY_BYTES) // 8
            else:
                self._free.append(start)

    def add(self, *changes: Change) -> None:
        """Add to cells of rows; where the part is full, only that something is missing is counted."""
        with self._lock:
            numbers = self._numbers
            for key, amounts in changes:
                at = self._at.get(key) or self._new(key)
                if not at:
                    numbers[self._base // 8 + UNCOUNTED] += 1
                    continue
                for cell, amount in amounts.items():
                    numbers[at + cell] = amount if cell == LATEST else numbers[at + cell] + amount

    def read(self, *first: str) -> dict[Key, list[int]]:
        """The rows of all parts whose keys begin with these words, summed by key."""
        start_of_key = "".join(f"{word} " for word in first).encode()
        found: dict[Key, list[int]] = {}
        for part in range(self._parts):
            for start in self._starts(part):
                row = bytes(self._bytes[start : start + ROW_BYTES])
                text = row[:KEY_BYTES].rstrip(b"\0")
                if not text or not (text + b" ").startswith(start_of_key):
                    continue
                key, cells = tuple(text.decode().split(" ")), NUMBERS.unpack_from(row, KEY_BYTES)
                sums = found.setdefault(key, [0] * CELLS)
                newest = max(sums[LATEST], cells[LATEST])
                found[key] = [a + b for a, b in zip(sums, cells, strict=True)]
                found[key][LATEST] = newest
        return found

    def uncounted(self) -> int:
        """How often a row was missing for what was to be counted."""
        return sum(self._numbers[part * self._rows * ROW_BYTES // 8 + UNCOUNTED] for part in range(self._parts))

    def bury(self, part: int) -> None:
        """A process ended, however it did: what it counted stays, what it was doing is not done any more."""
        for start in self._starts(min(part, self._parts - 1)):
            key = self._key(start)
            if key and key[0] == GAUGE:
                self._clear(start)

    def _new(self, key: Key) -> int | None:
        """Where the cells of a new row are, None where there is no place for it."""
        text = " ".join(key).encode()
        if len(text) > KEY_BYTES:
            raise ValueError(f"the key {key} has more than {KEY_BYTES} bytes")
        if not self._free and self._used() == self._rows - 1:
            self._search()
        if self._free:
            start = self._free.pop()
            self._write(start, text)
        elif self._used() < self._rows - 1:
            start = self._base + (self._used() + 1) * ROW_BYTES
            self._write(start, text)
            self._numbers[self._base // 8 + USED] += 1
        else:
            return None
        self._at[key] = at = (start + KEY_BYTES) // 8
        return at

    def _used(self) -> int:
        return self._numbers[self._base // 8 + USED]

    def _search(self) -> None:
        """Free the rows that nobody needs, but not over and over."""
        if self._searched and time.monotonic() < self._searched + PATIENCE_SECONDS:
            return
        self._searched = time.monotonic()
        for key in list(self.stale(self._at)):
            start = 8 * self._at.pop(key) - KEY_BYTES
            self._bytes[start : start + KEY_BYTES] = bytes(KEY_BYTES)
            self._clear(start)
            self._free.append(start)

    def _starts(self, part: int) -> range:
        """Where the rows of a part begin, in bytes."""
        base = part * self._rows * ROW_BYTES
        return range(base + ROW_BYTES, base + (self._numbers[base // 8 + USED] + 1) * ROW_BYTES, ROW_BYTES)

    def _key(self, start: int) -> Key:
        text = bytes(self._bytes[start : start + KEY_BYTES]).rstrip(b"\0").decode()
        return tuple(text.split(" ")) if text else ()

    def _write(self, start: int, text: bytes) -> None:
        """A key; its first 8 bytes last and at once, so that nobody ever reads half of it."""
        padded = text.ljust(KEY_BYTES, b"\0")
        self._bytes[start + 8 : start + KEY_BYTES] = padded[8:]
        self._bytes[start : start + 8] = padded[:8]

    def _clear(self, start: int) -> None:
        self._bytes[start + KEY_BYTES : start + ROW_BYTES] = bytes(8 * CELLS)
