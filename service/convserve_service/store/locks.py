"""Advisory file locks that die with their process. Every acquisition opens its own descriptor."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convserve_service.store.errors import StoreUnavailable

NOTE_BYTES = 64


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[int]:
    """Hold the exclusive lock of a file; yields the descriptor. The file is made and never removed.

    Without `wait`, BlockingIOError where somebody holds it. StoreUnavailable where the disk refuses.
    """
    with _refusing():
        descriptor = _open(path)
    try:
        with _refusing():
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


def holder(path: Path) -> bytes | None:
    """What the lock's holder wrote into the file; None where nobody holds it."""
    with _refusing():
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            return os.pread(descriptor, NOTE_BYTES, 0)
        finally:
            os.close(descriptor)


def note(descriptor: int, text: bytes) -> None:
    """Write what `holder` reads."""
    with _refusing():
        os.pwrite(descriptor, text.ljust(NOTE_BYTES, b"\0")[:NOTE_BYTES], 0)


def claim(path: Path, seconds: float) -> None:
    """Take the lock of a file for the life of this process and of the children that inherit it.

    Waits for the last holder; StoreUnavailable after `seconds` says who it is.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, True)
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if time.monotonic() > end:
                other = os.pread(descriptor, NOTE_BYTES, 0).rstrip(b"\0").decode(errors="replace")
                raise StoreUnavailable(f"process {other} still serves it; stop that first, or take another") from error
            time.sleep(0.05)
    note(descriptor, str(os.getpid()).encode())


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except BlockingIOError:
        raise
    except OSError as error:
        raise StoreUnavailable(
            f"the data directory cannot be locked ({error.strerror}); nothing was changed, mend the disk and repeat"
        ) from error
