"""Server-Sent Events from bytes, and nothing else.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

LONGEST_RETRY = 3600.0  # seconds, whatever number is sent
LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")  # a CR at the end of a chunk may be the first half of CRLF


@dataclass(frozen=True)
class Event:
    """One block of a stream; without data it only says from where, or after how long, to connect again."""

    data: str = ""
    kind: str = "message"
    id: str | None = None  # None: that of the event before it stays
    retry: float | None = None  # seconds


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines that end with LF, CRLF or CR, wherever the chunks are cut; what has no end is no line."""
    rest, mark = b"", "\ufeff"
    for chunk in chunks:
        *whole, rest = LINE_END.split(rest + chunk)
        for line in whole:
            yield line.decode("utf-8", "replace").removeprefix(mark)
            mark = ""
    if rest.endswith(b"\r"):
        yield rest[:-1].decode("utf-8", "replace").removeprefix(mark)


def parse(lines: Iterable[str]) -> Iterator[Event]:
    """The blocks of a stream; one that was cut off before its blank line is none."""
    data: list[str] = []
    members: dict[str, Any] = {}
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data or members:
                yield Event("\n".join(data), **members)
            data, members = [], {}
        elif field == "data":
            data.append(value)
        elif field == "event":
            members["kind"] = value or "message"
        elif field == "id" and "\0" not in value:
            members["id"] = value
        elif field == "retry" and value.isascii() and value.isdigit():
            members["retry"] = min(float(value) / 1000, LONGEST_RETRY)
