"""A case as bytes: how one process tells another what it asked last, and how a person asks it again."""

import base64
import zlib

from tests.fuzz.doors.door import Case

SHOWN = 300  # bytes of a part


def pack(case: Case) -> bytes:
    """The parts one after the other, each behind its length; the length of all of it comes first."""
    framed = b"".join(len(part).to_bytes(8, "little") + part for part in case)
    return len(framed).to_bytes(8, "little") + framed


def unpack(data: bytes) -> Case:
    """The inverse of `pack`, whatever follows."""
    end = 8 + int.from_bytes(data[:8], "little")
    parts, at = [], 8
    while at < end:
        stop = at + 8 + int.from_bytes(data[at : at + 8], "little")
        parts.append(data[at + 8 : stop])
        at = stop
    return tuple(parts)


def to_text(case: Case) -> str:
    """For a command line."""
    return base64.b64encode(zlib.compress(pack(case), 9)).decode()


def from_text(text: str) -> Case:
    """The inverse of `to_text`."""
    return unpack(zlib.decompress(base64.b64decode(text)))


def shown(case: Case) -> str:
    """For a person, who need not see all of it."""
    return ", ".join(f"{part[:SHOWN]!r}{'...' * (len(part) > SHOWN)}" for part in case)
