"""What runs on this machine, as /proc tells."""

import time
from pathlib import Path

SECONDS = 10.0


def children(parent: int) -> list[int]:
    """The processes whose parent it is."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and stat(int(folder.name))[1:2] == [str(parent)]:
            found.append(int(folder.name))
    return sorted(found)


def descendants(ancestor: int) -> list[int]:
    """Children, their children and so on."""
    mine = children(ancestor)
    return mine + [pid for child in mine for pid in descendants(child)]


def workers(server: int, count: int) -> list[int]:
    """Those of a service, once all are there: the first answers before the last is made."""
    end = time.monotonic() + SECONDS
    while True:
        listeners = [pid for pid in children(server) if command_name(pid) != "convserve-jobs"]
        found = [pid for listener in listeners for pid in children(listener)]
        if len(found) == count:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.01)


def running(pid: int) -> bool:
    """Whether it is there and no zombie."""
    return stat(pid)[:1] not in ([], ["Z"])


def command_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def stat(pid: int) -> list[str]:
    """State, parent, ...: the fields of /proc/<pid>/stat after the command; nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
