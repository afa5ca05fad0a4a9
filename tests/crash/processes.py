"""The processes of a group."""

from dataclasses import dataclass
from pathlib import Path

from tests.processes import command_name, stat

DEAD = {"Z", "X"}


@dataclass(frozen=True)
class Process:
    pid: int
    name: str
    parent: int


def group(number: int) -> list[Process]:
    """Those that live."""
    found = []
    for folder in Path("/proc").iterdir():
        fields = stat(int(folder.name)) if folder.name.isdigit() else []
        if fields and fields[0] not in DEAD and int(fields[2]) == number:
            found.append(Process(int(folder.name), command_name(int(folder.name)), int(fields[1])))
    return found
