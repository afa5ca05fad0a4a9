"""What the kernel tells about a server's processes: who and how large they are, who has a connection or a lock.

Sources: proc(5), /proc/net/tcp and /proc/locks.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Lock:
    """The processes that hold a flock and that wait for it, one entry for each descriptor."""

    held: tuple[int, ...]
    waiting: tuple[int, ...]


@dataclass(frozen=True)
class Memory:
    """Bytes: the resident pages (RSS), and the same with each page divided by how many processes share it (PSS)."""

    resident: int
    proportional: int


def members(session: int) -> list[int]:
    """The processes of a session, which a server that was started in one of its own leads."""
    found = []
    for entry in PROC.iterdir():
        with suppress(ProcessLookupError):
            if entry.name.isdigit() and os.getsid(int(entry.name)) == session:
                found.append(int(entry.name))
    return sorted(found)


def family(pid: int) -> list[int]:
    """A process and all that came from it, whatever their sessions; not those whose parents are gone."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        with suppress(OSError):
            if entry.name.isdigit():
                children.setdefault(int(_fields(int(entry.name))[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, ())
    return found


def accepted(session: int, server_port: int, client_port: int) -> int | None:
    """The process of a session that has the server's end of a connection; None before it is accepted."""
    ends = [f"{server_port:04X}", f"{client_port:04X}"]
    for line in (PROC / "net" / "tcp").read_text().splitlines()[1:]:
        words = line.split()
        if [words[1].split(":")[1], words[2].split(":")[1]] == ends:
            return next((pid for pid in members(session) if f"socket:[{words[9]}]" in _open_files(pid)), None)
    return None


def lock(path: Path) -> Lock:
    """Who has to do with the flock of a file."""
    end = f":{path.stat().st_ino}" if path.exists() else ":"
    held: list[int] = []
    waiting: list[int] = []
    for line in (PROC / "locks").read_text().splitlines():
        words = line.split()
        waits = words[1] == "->"
        kind, pid, file = words[2 if waits else 1], words[5 if waits else 4], words[6 if waits else 5]
        if kind == "FLOCK" and file.endswith(end):
            (waiting if waits else held).append(int(pid))
    return Lock(tuple(held), tuple(waiting))


def memory(pid: int) -> Memory:
    """How large a process is now."""
    found = dict(re.findall(r"^(\w+): +(\d+) kB", (PROC / str(pid) / "smaps_rollup").read_text(), re.M))
    return Memory(1024 * int(found["Rss"]), 1024 * int(found["Pss"]))


def cpu_seconds(pids: Iterable[int]) -> float:
    """How long processes have computed, in their code and for them in the kernel; those that are gone count nothing."""
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            fields = _fields(pid)
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that gets no time, as one that hangs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while not (now := true()) and time.monotonic() < end:
        time.sleep(0.002)
    return now


def _fields(pid: int) -> list[str]:
    """Of /proc/PID/stat, from the third one on: state, parent, ..."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _open_files(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for entry in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                found.add(os.readlink(entry))
    return found
