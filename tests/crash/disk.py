"""A disk whose power can be cut: an ext4 in a file."""

import fcntl
import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

EXT4_IOC_SHUTDOWN, WITHOUT_LOG = 0x8004587D, 2


class Unmountable(Exception):
    """No file system can be mounted here."""


@dataclass(frozen=True)
class Disk:
    """An ext4 in a file."""

    image: Path
    folder: Path

    @classmethod
    def make(cls, image: Path, folder: Path) -> "Disk":
        if os.geteuid() != 0:
            raise Unmountable("mounting needs root")
        with image.open("wb") as file:
            file.truncate(256 << 20)
        folder.mkdir()
        disk = cls(image, folder)
        _command("mkfs.ext4", "-q", "-F", str(image))
        disk.mount()
        return disk

    def mount(self) -> None:
        _command("mount", "-o", "loop", str(self.image), str(self.folder))

    def cut(self) -> None:
        """From now on nothing reaches the disk, neither bytes nor the log."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", WITHOUT_LOG))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Waits for processes that are just dying."""
        for _ in range(50):
            if subprocess.run(["umount", str(self.folder)], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        _command("umount", str(self.folder))


@contextmanager
def disk() -> Iterator[Disk]:
    """A new file system; Unmountable where that is not allowed."""
    with tempfile.TemporaryDirectory(prefix="power-") as folder:
        made = Disk.make(Path(folder) / "image", Path(folder) / "mounted")
        try:
            yield made
        finally:
            made.unmount()


def _command(*words: str) -> None:
    try:
        subprocess.run(words, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Unmountable(f"{words[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise Unmountable(f"{' '.join(words)}: {error.stderr.strip()}") from error
