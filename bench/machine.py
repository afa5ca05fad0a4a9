"""Where the figures come from: CPU, load, releases, and the disk under the data directory."""

import os
import platform
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from convserve_service.doctor import filesystem

DISK = Path("/var/tmp")  # /tmp is often memory
MEMORY = ("tmpfs", "ramfs")
QUIET = 0.5  # processes that want to run, in the last minute


@contextmanager
def data_folder(parent: Path | None) -> Iterator[Path]:
    """A new folder for data directories, removed at the end; by default where things lie on a disk."""
    default = DISK if DISK.is_dir() else None
    with tempfile.TemporaryDirectory(
        prefix="convserve-bench-", dir=parent or default, ignore_cleanup_errors=True
    ) as made:
        yield Path(made)


def described(folder: Path) -> str:
    """One line about this machine now."""
    kind = filesystem(folder)
    memory = " (memory: a commit costs too little)" if kind in MEMORY else ""
    load = os.getloadavg()[0]
    busy = " (busy: these figures say little)" if load > QUIET else ""
    return (
        f"{_cpu()}, {len(os.sched_getaffinity(0))} cores, load {load:.2f}{busy};"
        f" Python {platform.python_version()}, NumPy {np.__version__}; data on {kind}{memory}"
    )


def _cpu() -> str:
    match = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return match[1].strip() if match else platform.machine()
