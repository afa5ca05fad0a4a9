"""Small disks of a test's own, which it fills and breaks; skips where mount is not allowed."""

import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096


@contextmanager
def disk(folder: Path, megabytes: int = 24) -> Iterator[Path]:
    """An empty tmpfs at `folder` until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    _run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)])
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=10)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A disk that refuses writes until the block ends; nobody may have a file of it open for writing."""
    _run(["mount", "-o", "remount,ro", str(folder)])
    try:
        yield
    finally:
        _run(["mount", "-o", "remount,rw", str(folder)])


class Ext4:
    """An ext4 in a file, which turns read-only at its first error as ext4 does on real disks."""

    def __init__(self, image: Path, megabytes: int = 32) -> None:
        self._image = image
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        _run(["mkfs.ext4", "-q", "-F", str(image)])

    @contextmanager
    def mounted(self, folder: Path) -> Iterator[Path]:
        """At `folder` until the block ends; then checked, so that it can be mounted again."""
        folder.mkdir(parents=True, exist_ok=True)
        _run(["mount", "-o", "loop,errors=remount-ro", str(self._image), str(folder)])
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True, timeout=10)
            subprocess.run(["e2fsck", "-p", str(self._image)], capture_output=True, timeout=10)

    def fail(self, folder: Path) -> None:
        """What the kernel does where it finds the file system damaged: no write succeeds from now on."""
        device = os.stat(folder).st_dev
        name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
        Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("1")


class Filler:
    """A file that takes all the room of a disk, and gives it back by the page."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "filler"

    def fill(self) -> None:
        """Until not one more page fits."""
        with self._path.open("ab", buffering=0) as file:
            for size in (1 << 20, PAGE):
                while _written(file, bytes(size)):
                    pass

    def free(self, pages: int) -> None:
        """Make room for so many pages."""
        with self._path.open("r+b") as file:
            file.truncate(max(0, file.seek(0, 2) - pages * PAGE))

    def remove(self) -> None:
        self._path.unlink()


def _written(file: io.FileIO, data: bytes) -> bool:
    try:
        return file.write(data) == len(data)
    except OSError:
        return False


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except FileNotFoundError:
        pytest.skip(f"there is no {command[0]} here, so no disk can be broken")
    if any(words in done.stderr for words in ("denied", "must be superuser", "not permitted", "failed to setup loop")):
        pytest.skip(f"{command[0]} is not allowed here, so no disk can be broken: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
