"""One reply of the application in HTTP/1.1: its head is made in one go, its body is sent as it is, or in chunks.

What may not stand in a head is not sent. Source: RFC 9110, RFC 9112, PEP 3333.
"""

import re
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from convserve_service.front.outbox import Outbox

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FIT = bytes(byte for byte in range(256) if byte in b"\t\r\n" or 0x20 <= byte != 0x7F)  # beside line ends
LENGTH = "content-length"
OURS = {  # of a connection, or said by the server alone
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers", "transfer-encoding",
    "upgrade", "server", "date",
}  # fmt: skip
BARE = {"204", "304"}  # replies of these statuses have no body, and need no length
NAMES = 64  # of headers that are remembered
LAST = b"0\r\n\r\n"


class Reply:
    """`request` is gunicorn's; after the `last` reply of a connection it is closed."""

    def __init__(self, request: Any, outbox: Outbox, *, last: bool) -> None:
        self._request = request
        self._outbox = outbox
        self._head = b""
        self._bare = self._chunked = False
        self._left: int | None = None
        self.begun = False  # whether any of it was sent
        self.last = last or request.should_close()

    def start(self, status: str, headers: Iterable[tuple[str, str]]) -> Callable[[bytes], None]:
        """WSGI's `start_response`; the head goes out with the body. ValueError where that would be no head."""
        said: list[str] = []
        length = None
        for name, value in headers:
            kind = _kind(name)
            if kind not in OURS:
                said.append(f"{name}: {value}")
            if kind == LENGTH:
                length = int(value)
        version = self._request.version
        self._left = length
        self._bare = self._request.method == "HEAD" or status[:3] in BARE
        self._chunked = length is None and not self._bare and version > (1, 0)
        self.last = self.last or not (self._chunked or self._bare or length is not None)
        lines = [
            f"HTTP/{version[0]}.{version[1]} {status}",
            "Server: gunicorn",
            f"Date: {_date(int(time.time()))}",
            f"Connection: {'close' if self.last else 'keep-alive'}",
            *(["Transfer-Encoding: chunked"] if self._chunked else []),
            *said, "", "",
        ]  # fmt: skip
        self._head = _bytes(lines)
        return self.write

    def write(self, part: bytes) -> None:
        """The next part of the body; the head before the first. A body where none may be is left out."""
        if not self.begun:
            self.begun = True
            self._outbox.sendall(self._head)
        if not part or self._bare:
            return
        if self._chunked:
            part = b"%X\r\n%b\r\n" % (len(part), part)
        elif self._left is not None:
            self._left -= len(part)
            if self._left < 0:
                raise ValueError("the reply is longer than its Content-Length says")
        self._outbox.sendall(part)

    def end(self) -> None:
        """That was all of the body."""
        self.write(b"")
        if self._chunked:
            self._outbox.sendall(LAST)
        elif self._left and not self._bare:
            raise ValueError("the reply is shorter than its Content-Length says")


def _bytes(lines: list[str]) -> bytes:
    """The lines of a head, each of which is one."""
    head = "\r\n".join(lines).encode("latin-1")
    if head.translate(None, FIT) or not head.count(b"\r") == head.count(b"\n") == len(lines) - 1:
        raise ValueError("a header of the reply holds what may not stand in one")  # it is not told: it may be secret
    return head


@lru_cache(NAMES)
def _kind(name: str) -> str:
    """A header's name in lower case; ValueError where it is none."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name[:100]!r} is no name of a header")
    return name.lower()


@lru_cache(1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
