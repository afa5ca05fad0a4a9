"""What is wrong with a set-up: each line is a fact, and whether it is a worry."""

import os
import platform
import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from convserve_service import origin
from convserve_service.release import VERSION
from convserve_service.store.errors import StoreUnavailable
from convserve_service.store.locks import holder
from convserve_service.store.store import Store

WAL_FIXED = {(3, 44): 6, (3, 50): 7}  # branch: the patch that has the fix; 3.51.3 and everything later have it too
REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs", "afs", "lustre"}
LOW_BYTES = 1 << 30


@dataclass(frozen=True)
class Fact:
    """`worry` says what follows from it, None where all is well."""

    text: str
    worry: str | None = None


def examine(data_dir: Path) -> Iterator[Fact]:
    """The machine, and the data directory where there is one."""
    yield Fact(f"convserve {VERSION}, Python {platform.python_version()}, {platform.machine()}")
    yield Fact(f"{len(os.sched_getaffinity(0))} cores; {origin.cpu()}")
    yield _sqlite()
    yield _shared_memory()
    kind = filesystem(data_dir.absolute())
    remote = "locks and SQLite need a local file system; put the data directory on one" if kind in REMOTE else None
    yield Fact(f"data directory {data_dir} on {kind}", remote)
    if not (data_dir / "catalog.sqlite").exists():
        nearest = next(folder for folder in (data_dir.absolute(), *data_dir.absolute().parents) if folder.exists())
        refused = None if os.access(nearest, os.W_OK) else f"it cannot be made in {nearest}"
        yield Fact("no service has used it yet; `convserve serve` makes it", refused)
        return
    try:
        store = Store.open(data_dir)
        yield Fact(f"{len(store.catalog.models())} models, {len(store.catalog.datasets())} datasets")
        yield Fact("the store can be written", store.unwritable())
        free = shutil.disk_usage(data_dir).free
        yield Fact(f"{free / 1e9:.1f} GB free", None if free > LOW_BYTES else "versions will soon not fit")
        serving = holder(data_dir / "lock")
    except (OSError, StoreUnavailable) as error:
        yield Fact("the data directory can be used", str(error))
        return
    number = "" if serving is None else serving.rstrip(b"\0").decode(errors="replace")
    yield Fact(f"process {number} serves it" if number else "no server uses it now")


def wal_bug(version: tuple[int, ...]) -> bool:
    """Whether this SQLite may lose writes of several processes that commit and checkpoint, if nothing prevents it."""
    patch = WAL_FIXED.get((version[0], version[1]))
    return version[2] < patch if patch is not None else version < (3, 51, 3)


def filesystem(folder: Path) -> str:
    """The type of the file system that a folder is on, as the kernel calls it: proc(5), mountinfo."""
    found = "?"
    longest = -1
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ", 1)
        mounted = Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), before.split()[4]))
        if folder.resolve().is_relative_to(mounted) and len(mounted.parts) >= longest:  # the last mount hides others
            found, longest = after.split()[0], len(mounted.parts)
    return found


def _sqlite() -> Fact:
    bug = wal_bug(sqlite3.sqlite_version_info)
    note = " (has the WAL-reset bug: convserve's catalog lock keeps it away; do not write the catalog yourself)"
    return Fact(f"SQLite {sqlite3.sqlite_version}{note if bug else ''}")


def _shared_memory() -> Fact:
    there = os.access("/dev/shm", os.W_OK)
    return Fact("/dev/shm can be written", None if there else "gunicorn's heartbeats need a writable folder")
