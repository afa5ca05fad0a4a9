"""The folder of blobs after a restart: each file is, to the byte, the state of an available version or a data set."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.crash.promises import demand

SETTLE_SECONDS = 3.0  # what the job is writing has its row by then


class Leftovers:
    """Reads each file once: blobs are never rewritten."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digests: dict[str, str] = {}

    def check(self, known: Callable[[], Counter[str]]) -> None:
        """`known` gives the digests that the catalog needs, each as often as there is a row with it."""
        end = time.monotonic() + SETTLE_SECONDS
        left = self._unknown(known)
        while left and time.monotonic() < end:
            time.sleep(0.05)
            left &= self._unknown(known)
        demand(not left, "after a restart there is no blob without a row", f"{left} in {self._folder}")

    def _unknown(self, known: Callable[[], Counter[str]]) -> Counter[str]:
        files = {path.name: self._digests.get(path.name) or _digest(path) for path in self._folder.iterdir()}
        rows = known()
        self._digests = {name: digest for name, digest in files.items() if digest in rows}  # the others may grow
        files_by_digest = Counter(digest for digest in files.values() if digest)
        return files_by_digest - rows


def _digest(path: Path) -> str:
    """Empty where it was collected meanwhile."""
    try:
        return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    except FileNotFoundError:
        return ""
