"""The threads of a worker without gunicorn's processes: real sockets, and an application of a few lines."""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from gunicorn.config import Config

from convserve_service.front.connection import Connection, Terms
from convserve_service.front.desk import Desk
from convserve_service.front.parking import Parking
from tests.system.raw import Answer, answers, chunked, post, until_closed

TERMS = Terms(body=4 << 20, seconds=5.0, rate=1000.0, idle=5.0, connections=8, held=8 << 20)
GET = b"GET / HTTP/1.1\r\n\r\n"
BIG = bytes(6 << 20)
Serve = Callable[..., "Front"]


class Front:
    """A desk of three threads with its deadlines kept; `call` is the application."""

    def __init__(self, terms: Terms, call: Callable[[dict[str, Any]], Iterable[bytes]]) -> None:
        self.terms = terms
        self.parking = Parking(lambda count: None)
        self.desk = Desk(self._application, Config(), self.parking, terms.held, lambda: None)
        self._call = call
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._loop = threading.Thread(target=self._watch)

    def __enter__(self) -> "Front":
        self.desk.open(3)
        self._loop.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._loop.join()
        self._listener.close()
        for connection in self.parking.every():
            connection.close()

    def connect(self, *, window: int = 0) -> socket.socket:
        """A client whose connection is parked."""
        client = socket.socket()
        if window:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        client.settimeout(10)
        client.connect(self._listener.getsockname())
        accepted, address = self._listener.accept()
        name = self._listener.getsockname()
        self.parking.admit(Connection(accepted, address, name, self.terms, time.monotonic()))
        return client

    def _application(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        parts = self._call(environ)
        length = [("Content-Length", str(sum(map(len, parts))))] if isinstance(parts, list) else []
        start("200 OK", length)
        return parts

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self.desk.baton.watch()
            self.desk.patrol(time.monotonic())


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def opened(call: Callable[[dict[str, Any]], Iterable[bytes]], **terms: Any) -> Front:
            return stack.enter_context(Front(TERMS._replace(**terms), call))

        yield opened


def echo(environ: dict[str, Any]) -> list[bytes]:
    return [environ["wsgi.input"].read()]


def ask(client: socket.socket, sent: bytes) -> Answer:
    client.sendall(sent)
    data = client.recv(1 << 20)
    while not (found := answers(data)):
        more = client.recv(1 << 20)
        assert more, f"the connection ended after {data!r}"
        data += more
    (answer,) = found
    return answer


@pytest.mark.parametrize("size", [0, 1, 16 << 10, 64 << 10, 200_000, 4 << 20])
def test_bodies_of_every_size_arrive(serve: Serve, size: int) -> None:
    """As they were sent, from what the kernel holds to the largest."""
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    with serve(echo).connect() as client:
        client.sendall(post("/", body, "Connection: close"))
        (answer,) = answers(until_closed(client))
    assert answer.body == body


def test_bytes_that_are_too_few_wake_nobody(serve: Serve) -> None:
    """A body that comes byte by byte costs no more turns than one at once: the kernel keeps it until it is whole."""
    front, turns = serve(echo), 0
    following = front.parking.next

    def counted() -> Connection | None:
        nonlocal turns
        turns += 1
        return following()

    front.parking.next = counted
    with front.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = post("/", bytes(1000))
        client.sendall(sent[:-1000])
        time.sleep(0.1)
        for _ in range(999):
            client.send(b"\0")
        assert ask(client, b"\0").body == bytes(1000)
    assert turns < 10


def test_a_failure_says_nothing_of_the_inside(serve: Serve) -> None:
    """500 and closed, where the application raises before it replies."""

    def fail(environ: dict[str, Any]) -> list[bytes]:
        raise RuntimeError("secret")

    front = serve(fail)
    for _ in range(4):
        with front.connect() as client:
            client.sendall(GET)
            (answer,) = answers(until_closed(client))
        assert (answer.status, answer.json()["code"]) == (500, "internal")
        assert b"secret" not in answer.body


def test_a_reply_that_breaks_off_is_no_whole_one(serve: Serve) -> None:
    """The last chunk is missing, and the connection ends; the threads live on."""

    def broken(environ: dict[str, Any]) -> Iterator[bytes]:
        yield b"abc"
        raise RuntimeError("in the middle")

    front = serve(broken)
    for _ in range(4):
        with front.connect() as client:
            client.sendall(GET)
            assert until_closed(client).endswith(b"\r\n\r\n3\r\nabc\r\n")


def test_threads_do_not_wait_for_readers(serve: Serve) -> None:
    """More clients than threads that do not read: another one is answered; theirs is whole once they read."""
    front = serve(lambda environ: [BIG if environ["PATH_INFO"] == "/big" else b"small"], held=64 << 20)
    with ExitStack() as stack:
        deaf = [stack.enter_context(front.connect(window=4096)) for _ in range(5)]
        for client in deaf:
            client.sendall(GET.replace(b"/ ", b"/big "))
        time.sleep(0.2)
        with front.connect() as client:
            assert ask(client, GET).body == b"small"
        data = deaf[0].recv(1 << 20)
        size = data.index(b"\r\n\r\n") + 4 + len(BIG)
        while len(data) < size:
            data += deaf[0].recv(1 << 20)
        assert answers(data)[0].body == BIG
        assert ask(deaf[0], GET).body == b"small"


def test_who_does_not_read_loses_the_connection(serve: Serve) -> None:
    """When its time is over."""
    front = serve(lambda environ: [BIG], seconds=0.3)
    with front.connect(window=4096) as client:
        client.sendall(GET)
        end = time.monotonic() + 5
        while len(front.parking):
            assert time.monotonic() < end
            time.sleep(0.01)


def test_no_thread_waits_for_a_long_request(serve: Serve) -> None:
    """While two threads sleep, the third answers within a fraction of their time."""

    def sleep(environ: dict[str, Any]) -> list[bytes]:
        time.sleep(1.0 if environ["PATH_INFO"] == "/long" else 0.0)
        return [b"done"]

    front = serve(sleep)
    with front.connect() as first, front.connect() as second, front.connect() as third:
        for client in (first, second):
            client.sendall(GET.replace(b"/ ", b"/long "))
        began = time.monotonic()
        assert ask(third, GET).body == b"done"
        assert time.monotonic() - began < 0.7


def test_a_request_that_waits_for_a_thread_is_not_late(serve: Serve) -> None:
    """It was there in time, however long the others take."""

    def sleep(environ: dict[str, Any]) -> list[bytes]:
        time.sleep(1.0)
        return [b"done"]

    front = serve(sleep, seconds=0.2)
    with ExitStack() as stack:
        clients = [stack.enter_context(front.connect()) for _ in range(5)]
        for client in clients:
            client.sendall(GET)
        assert [answers(client.recv(1 << 16))[0].status for client in clients] == [200] * 5


def test_requests_behind_each_other_let_others_go_between(serve: Serve) -> None:
    """Thousands in one packet behind a large body: another client does not wait for all of them."""

    def slowly(environ: dict[str, Any]) -> list[bytes]:
        time.sleep(0.001)
        return [b"done"]

    front = serve(slowly)
    with front.connect() as many, front.connect() as one:
        many.sendall(post("/", chunked(bytes(100_000), 50_000), "Transfer-Encoding: chunked") + GET * 5000)
        began = time.monotonic()
        for _ in range(5):
            assert ask(one, GET).body == b"done"
        assert time.monotonic() - began < 1


def test_the_slowest_makes_room(serve: Serve) -> None:
    """Where unfinished bodies fill the memory, the one that is most behind gets 503; the newest is answered."""
    front = serve(echo, held=5 << 20)
    body = bytes(4 << 20)
    with front.connect() as slow, front.connect() as fast:
        slow.sendall(post("/", body)[: 3 << 20])
        time.sleep(0.3)
        fast.sendall(post("/", body, "Connection: close"))
        (refused,) = answers(until_closed(slow))
        (answer,) = answers(until_closed(fast))
    assert (refused.status, refused.json()["code"], refused.headers["retry-after"]) == (503, "busy", "1")
    assert answer.body == body


def test_room_for_a_new_connection_is_made_by_the_one_with_the_least_time(serve: Serve) -> None:
    """One that answered lately stays, the older silent one goes."""
    front = serve(echo)
    with front.connect() as silent, front.connect() as kept:
        assert ask(kept, GET).status == 200
        front.parking.evict()
        assert until_closed(silent) == b""
        assert ask(kept, GET).status == 200


def test_a_head_that_comes_again_waits_for_its_body(serve: Serve) -> None:
    """Each time, however it is cut; and what follows it is looked at anew."""
    first, other = post("/", b"abc"), post("/other", b"longer than before")
    with serve(echo).connect() as client:
        for sent, body in ((first, b"abc"), (first, b"abc"), (other, b"longer than before"), (first, b"abc")):
            client.sendall(sent[: -len(body)])
            time.sleep(0.02)
            client.sendall(body[:2])
            time.sleep(0.02)
            assert ask(client, body[2:]).body == body
