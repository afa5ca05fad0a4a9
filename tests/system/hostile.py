"""Clients that hold on to a service: they send a part of a request, or trickle it, or do not read their reply."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.system.raw import post

TRICKLE_SECONDS = 0.05
BIG = 1 << 20


@dataclass(frozen=True)
class Kind:
    """What it sends at once, and what after that byte by byte."""

    opening: bytes
    drops: bytes = b""
    small_window: bool = False


def half_sent(predict: str, weights: str) -> dict[str, Kind]:
    """Requests that are begun and never finished, and replies that are never read."""
    body = post(predict, bytes(2000))
    return {
        "a method": Kind(b"POS"),
        "half a head": Kind(body[:40]),
        "a head without its end": Kind(body[: body.index(b"\r\n\r\n") + 2]),
        "a head": Kind(body[: body.index(b"\r\n\r\n") + 4]),
        "half a body": Kind(body[:1000]),
        "all but a byte": Kind(body[:-1]),
        "the first part of a large body": Kind(post(predict, bytes(BIG))[: 100 << 10]),
        "half a chunk": Kind(post(predict, b"400\r\nabc", "Transfer-Encoding: chunked")),
        "no last chunk": Kind(post(predict, b"3\r\nabc\r\n", "Transfer-Encoding: chunked")),
        "a promise": Kind(post(predict, b"", "Expect: 100-continue", "Content-Length: 500")),
        "a big reply, not read": Kind(f"GET {weights} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), small_window=True),
    }


def trickling(predict: str, weights: str) -> dict[str, Kind]:
    """Requests that come byte by byte."""
    head = post(predict, bytes(5000))[:-5000]
    large = post(predict, bytes(BIG))
    chunked = post(predict, b"", "Transfer-Encoding: chunked")
    return {
        "a request line": Kind(b"", b"POST /" + b"a" * 4000),
        "headers": Kind(head[:-2], b"X-A: b\r\n" * 500),
        "one header": Kind(head[:-2], b"X-A: " + b"b" * 4000),
        "a body": Kind(head, bytes(4999)),
        "a large body from its beginning": Kind(large[:-BIG], bytes(5000)),
        "a large body beyond 64 KiB": Kind(large[: (64 << 10) + 200], bytes(5000)),
        "a large body beyond 128 KiB": Kind(large[: 128 << 10], bytes(5000)),
        "chunks of one byte": Kind(chunked, b"1\r\na\r\n" * 1000),
        "a size of a chunk": Kind(chunked, b"0" * 900),
        "chunks beyond 64 KiB": Kind(chunked + b"20000\r\n" + bytes(1 << 17) + b"\r\n", b"1\r\na\r\n" * 1000),
        "a trailer": Kind(chunked + b"0\r\n", b"X-A: " + b"b" * 4000),
    }


@dataclass
class Client:
    """One of them."""

    name: str
    kind: Kind
    sock: socket.socket
    sent: int = 0
    received: bytes = b""
    closed_after: float | None = None


@dataclass
class Attack:
    """Clients that go on until they are closed."""

    clients: list[Client]
    began: float = field(default_factory=time.monotonic)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Trickle; hear what the service says to those that listen."""
        with selectors.DefaultSelector() as selector:
            for client in self.clients:
                if not client.kind.small_window:
                    selector.register(client.sock, selectors.EVENT_READ, client)
            while not self.stopped.is_set():
                end = time.monotonic() + TRICKLE_SECONDS
                while (left := end - time.monotonic()) > 0:
                    for key, _ in selector.select(left):
                        if not self._hear(key.data):
                            selector.unregister(key.fileobj)
                for client in self.clients:
                    self._drop(client)

    @property
    def open(self) -> list[str]:
        return [client.name for client in self.clients if client.closed_after is None]

    def _hear(self, client: Client) -> bool:
        try:
            data = client.sock.recv(1 << 16)
        except ConnectionError:
            data = b""
        client.received += data
        if not data:
            client.closed_after = time.monotonic() - self.began
        return bool(data)

    def _drop(self, client: Client) -> None:
        if client.closed_after is None and client.sent < len(client.kind.drops):
            with contextlib.suppress(OSError):
                client.sock.send(client.kind.drops[client.sent : client.sent + 1])
                client.sent += 1


@contextmanager
def attacking(url: str, kinds: list[dict[str, Kind]], count: int) -> Iterator[Attack]:
    """`count` clients of each table, all open and heard, until the block ends."""
    with ExitStack() as stack:
        clients = []
        for table in kinds:
            rows = list(table.items())
            for number in range(count):
                name, kind = rows[number % len(rows)]
                sock = stack.enter_context(contextlib.closing(_open(url, kind)))
                sock.sendall(kind.opening)
                clients.append(Client(name, kind, sock))
        attack = Attack(clients)
        thread = threading.Thread(target=attack.run)
        thread.start()
        try:
            yield attack
        finally:
            attack.stopped.set()
            thread.join()


def _open(url: str, kind: Kind) -> socket.socket:
    address = urlsplit(url)
    sock = socket.socket()
    if kind.small_window:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(10)
    sock.connect((address.hostname, address.port))
    return sock
