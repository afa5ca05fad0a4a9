"""Immutable files under random names: durable when `write` returns; without a catalog row they do not exist."""

import hashlib
import mmap
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from convserve_service.store.errors import StoreUnavailable


@dataclass(frozen=True)
class Blob:
    """`digest` is `sha256:<hex>` of the whole file."""

    name: str
    digest: str


class Blobs:
    """A folder of blobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)

    def write(self, chunks: Iterable[bytes | memoryview]) -> Blob:
        """A new blob, on disk with its name; StoreUnavailable where the disk refuses (the file is abandoned)."""
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
            path.unlink(missing_ok=True)
            raise StoreUnavailable(
                f"the store cannot write ({error.strerror}); nothing was changed, free the disk and repeat"
            ) from error
        return Blob(name, f"sha256:{sha.hexdigest()}")

    def map(self, name: str) -> mmap.mmap:
        """The blob's bytes, read-only, from the page cache that all workers share; FileNotFoundError if it is gone."""
        with open(self.folder / name, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def remove(self, name: str) -> None:
        """Unlink; who has mapped it keeps it."""
        (self.folder / name).unlink(missing_ok=True)

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


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
