"""HTTP as bytes on a socket, for what no client library would send."""

import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson


@dataclass(frozen=True)
class Answer:
    """One reply."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)
        return found


def connect(url: str, *, timeout: float = 10) -> socket.socket:
    address = urlsplit(url)
    sock = socket.create_connection((address.hostname, address.port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def until_closed(sock: socket.socket) -> bytes:
    """Everything that comes."""
    data = b""
    while more := sock.recv(1 << 16):
        data += more
    return data


def answers(data: bytes) -> list[Answer]:
    """The replies in what came, which all have a length."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        found.append(Answer(int(lines[0].split(" ")[1]), headers, rest[:length]))
        data = rest[length:]
    return found


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A request with a Content-Length unless a Transfer-Encoding is given."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *headers]
    if not any(header.lower().startswith(("transfer-encoding", "content-length")) for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(body: bytes, size: int) -> bytes:
    """A body in chunks of `size` bytes."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
