"""Immutable files under random names: durable when `write` returns; without a catalog row they do not exist."""

import errno
import hashlib
import mmap
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from convserve_service.store.errors import BlobLost, StoreFull, StoreUnavailable

UNREADABLE = {errno.EIO, errno.EUCLEAN, errno.ENODATA}


class Blob(NamedTuple):
    """`digest` is `sha256:<hex>` of the whole file."""

    name: str
    digest: str


class Blobs:
    """A folder of blobs, of at most `most` bytes together where that is given."""

    def __init__(self, folder: Path, *, most: int | None = None) -> None:
        self.folder = folder
        self._most = most
        make_folder(folder)

    def write(self, chunks: Sequence[bytes | memoryview]) -> Blob:
        """A new blob, on disk with its name; StoreUnavailable where the disk refuses (the file is abandoned)."""
        self._check_room(sum(map(len, chunks)))
        name = f"{secrets.token_hex(16)}.safetensors"
        path = self.folder / name
        sha = hashlib.sha256()
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                for chunk in chunks:
                    sha.update(chunk)
                    _write_all(descriptor, memoryview(chunk))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync_folder(self.folder)
        except OSError as error:
            self.remove_all([name])
            raise StoreUnavailable(
                f"the store cannot write ({error.strerror}); nothing was changed, free the disk and repeat"
            ) from error
        return Blob(name, _told(sha))

    def map(self, name: str) -> mmap.mmap:
        """The blob's bytes, read-only, from the page cache that all workers share; BlobLost if it is gone."""
        with self._reading(), open(self.folder / name, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def check(self, name: str, digest: str) -> None:
        """BlobLost unless the file can be read and has this digest; by read(), for a bad page of a mapping kills."""
        with self._reading(), open(self.folder / name, "rb", buffering=0) as file:
            found = digest_of(iter(lambda: file.read(1 << 20), b""))
        if found != digest:
            raise BlobLost(f"blob {name} is not what was written")

    def quarantine(self, name: str) -> None:
        """Move a damaged blob aside, for who wants to look at it."""
        aside = self.folder.parent / "damaged"
        with suppress(OSError):
            aside.mkdir(exist_ok=True)
            os.rename(self.folder / name, aside / name)

    def probe(self) -> str | None:
        """Why a blob could not be written now, None where it could; leaves nothing behind."""
        try:
            with tempfile.TemporaryFile(dir=self.folder, buffering=0) as file:
                file.write(bytes(4096))
        except OSError as error:
            return f"the data directory cannot be written: {error.strerror}"
        return None

    def remove_all(self, names: Iterable[str]) -> None:
        """Unlink; who has mapped one keeps it. What cannot be removed now, the next sweep removes."""
        for name in names:
            with suppress(OSError):
                (self.folder / name).unlink(missing_ok=True)

    def names(self) -> set[str]:
        return set(os.listdir(self.folder))

    def size(self) -> int:
        """Bytes of all blobs."""
        size = 0
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # removed meanwhile
                    size += entry.stat().st_size
        return size

    def _check_room(self, more: int) -> None:
        """StoreFull where so many bytes more would be too many."""
        if self._most is not None and (used := self.size()) + more > self._most:
            raise StoreFull(
                f"the store holds {used:,} bytes and may hold {self._most:,}, too few for {more:,} more;"
                " delete models or datasets"
            )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """A file that is empty, or alone gone or unreadable, is lost; one of a disk that failed as a whole is not.

        Nor does want of memory or of descriptors say anything about it.
        """
        try:
            yield
        except ValueError as error:  # an empty file cannot be mapped
            raise BlobLost("the file is empty") from error
        except OSError as error:
            gone, unreadable = error.errno == errno.ENOENT, error.errno in UNREADABLE
            if (gone and self._there()) or (unreadable and self.probe() is None):
                raise BlobLost(str(error)) from error
            raise StoreUnavailable(f"the store cannot read ({error.strerror}); mend that and repeat") from error

    def _there(self) -> bool:
        """Whether the folder has any file: one that is not mounted has none."""
        with suppress(OSError):
            return bool(self.names())
        return False


def digest_of(chunks: Iterable[bytes | memoryview]) -> str:
    """`sha256:<hex>` of the chunks."""
    sha = hashlib.sha256()
    for chunk in chunks:
        sha.update(chunk)
    return _told(sha)


def _told(sha: "hashlib._Hash") -> str:
    return f"sha256:{sha.hexdigest()}"


def make_folder(folder: Path) -> None:
    """A folder and those above it, each durable in the one above; nothing where it is there."""
    if not folder.exists():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
