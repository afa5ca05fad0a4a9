"""A connection that remembers its last head understands the next request as one that remembers nothing."""

from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException

from convserve_service.front import calling
from convserve_service.front.arrival import START, advance
from convserve_service.front.errors import Refused
from convserve_service.front.heads import KEPT_BYTES

CONFIG = calling.plain(Config())
ONE = b"Content-Length: 1\r\n"
POST = b"POST /v2/models/a/infer?b=c HTTP/1.1\r\nHost: x\r\n"
LONG = b"A: " + b"a" * KEPT_BYTES + b"\r\n"

# two requests of one connection, and whether the second is understood from memory
ROWS: dict[str, tuple[bytes, bytes, bool]] = {
    "the same": (POST + b"Content-Length: 3\r\n\r\nabc", POST + b"Content-Length: 3\r\n\r\ndef", True),
    "a longer body": (POST + b"Content-Length: 3\r\n\r\nabc", POST + b"Content-Length: 12\r\n\r\nabcdefghijkl", True),
    "no body": (POST + b"Content-Length: 3\r\n\r\nabc", POST + b"Content-Length: 0\r\n\r\n", True),
    "a length of many digits": (POST + b"Content-Length: 3\r\n\r\nabc", POST + b"Content-Length: 003\r\n\r\nabc", True),
    "without a length": (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", True),
    "another path": (b"GET / HTTP/1.1\r\n\r\n", b"GET /v2 HTTP/1.1\r\n\r\n", False),
    "another method": (b"GET / HTTP/1.1\r\n\r\n", b"PUT / HTTP/1.1\r\n\r\n", False),
    "another header": (POST + ONE + b"A: b\r\n\r\na", POST + ONE + b"A: c\r\n\r\na", False),
    "one header less": (POST + ONE + b"A: b\r\n\r\na", POST + ONE + b"\r\na", False),
    "a length and then none": (POST + ONE + b"\r\na", POST + b"\r\n", False),
    "none and then a length": (POST + b"\r\n", POST + ONE + b"\r\na", False),
    "the length elsewhere": (
        POST + b"Content-Length: 1\r\nA: 1\r\n\r\na", POST + b"A: 1\r\nContent-Length: 1\r\n\r\na", False
    ),
    "chunks": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", False,
    ),
    "a long head": (LONG.join((POST, b"\r\n")), LONG.join((POST, b"\r\n")), False),
    "a body that is not awaited": (
        POST + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\na",
        POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab", True,
    ),
}  # fmt: skip
# what no memory of the first request may make acceptable
REFUSED: dict[str, bytes] = {
    "a sign": POST + b"Content-Length: +1\r\n\r\na",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "a length and chunks": POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
    "a folded line": POST + b"Content-Length: 1\r\n 1\r\n\r\na",
    "digits that are not ASCII": POST + "Content-Length: ١\r\n\r\na".encode(),
    "no digits": POST + b"Content-Length: \r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 1\r\n\r\na",
}


def connection() -> Any:
    return SimpleNamespace(client=("127.0.0.1", 1), server=("127.0.0.1", 2), outbox=None, head=None)


def parsed(on: Any, data: bytes) -> tuple[dict[str, Any], bytes]:
    """The environ, as far as values can be compared, and the body."""
    arrival = advance(START, data, 1 << 20)
    assert arrival.whole(len(data))
    on.inbox = SimpleNamespace(arrival=arrival, take=lambda: (data[: arrival.head], data[arrival.head : arrival.least]))
    environ = calling.parse(CONFIG, on).environ
    return {name: value for name, value in environ.items() if isinstance(value, str | bool | tuple)}, environ[
        "wsgi.input"
    ].read()


@pytest.mark.parametrize("name", ROWS)
def test_a_head_that_comes_again_means_the_same(name: str) -> None:
    first, second, remembered = ROWS[name]
    one = connection()
    parsed(one, first)
    known = one.head
    assert parsed(one, second) == parsed(connection(), second)
    assert (one.head is known and known is not None) == remembered


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_again(name: str) -> None:
    one = connection()
    parsed(one, POST + ONE + b"\r\na")
    with pytest.raises((Refused, ParseException)):
        parsed(one, REFUSED[name])


def test_requests_of_a_connection_share_nothing_that_changes() -> None:
    """What an application writes into the environ of one is not in the next."""
    one, data = connection(), POST + ONE + b"\r\na"
    parsed(one, data)
    inbox = one.inbox
    first = calling.parse(CONFIG, one).environ
    first["werkzeug.request"] = object()
    one.inbox = inbox
    assert "werkzeug.request" not in calling.parse(CONFIG, one).environ
