"""A reply's bytes are those of gunicorn's writer, and what is not fit to be sent is not."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import Response

from convserve_service.front.reply import Reply

CONFIG = Config()
DATE = re.compile(rb"Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n")
Headers = list[tuple[str, str]]
THREE, JSON = ("Content-Length", "3"), ("Content-Type", "application/json")

# a request without its last line, a status, headers and parts; whether another request may follow
ROWS: dict[str, tuple[bytes, str, Headers, list[bytes], bool]] = {
    "a whole body": (b"GET / HTTP/1.1\r\n", "200 OK", [THREE, JSON], [b"abc"], True),
    "in two parts": (b"GET / HTTP/1.1\r\n", "200 OK", [THREE], [b"a", b"", b"bc"], True),
    "of unknown length": (b"GET / HTTP/1.1\r\n", "200 OK", [JSON], [b"abc", b"", b"d" * 20], True),
    "nothing of unknown length": (b"GET / HTTP/1.1\r\n", "200 OK", [], [], True),
    "an empty body": (b"GET / HTTP/1.1\r\n", "200 OK", [("Content-Length", "0")], [], True),
    "HEAD": (b"HEAD / HTTP/1.1\r\n", "200 OK", [THREE], [], True),
    "HEAD with a body": (b"HEAD / HTTP/1.1\r\n", "200 OK", [THREE], [b"abc"], True),
    "HEAD of unknown length": (b"HEAD / HTTP/1.1\r\n", "200 OK", [], [b"abc"], True),
    "304": (b"GET / HTTP/1.1\r\n", "304 NOT MODIFIED", [("ETag", '"a"')], [], True),
    "304 with a length": (b"GET / HTTP/1.1\r\n", "304 NOT MODIFIED", [THREE], [], True),
    "204": (b"GET / HTTP/1.1\r\n", "204 NO CONTENT", [], [], True),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n", "200 OK", [THREE], [b"abc"], False),
    "HTTP/1.0 that stays": (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", "200 OK", [THREE], [b"abc"], True),
    "HTTP/1.0 of unknown length": (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", "200 OK", [], [b"abc"], False),
    "a client that leaves": (b"GET / HTTP/1.1\r\nConnection: close\r\n", "200 OK", [THREE], [b"abc"], False),
    "what the server says itself": (
        b"GET / HTTP/1.1\r\n", "200 OK", [THREE, ("Date", "x"), ("SERVER", "x"), ("connection", "close"), JSON],
        [b"abc"], True,
    ),
    "a header twice": (b"GET / HTTP/1.1\r\n", "200 OK", [("A", "1"), ("A", "2"), THREE], [b"abc"], True),
    "letters beyond ASCII": (b"GET / HTTP/1.1\r\n", "200 OK", [("A", "\xe9"), THREE], [b"abc"], True),
    "an error": (b"GET / HTTP/1.1\r\n", "503 SERVICE UNAVAILABLE", [THREE, ("Retry-After", "1")], [b"abc"], True),
}  # fmt: skip
UNFIT: dict[str, tuple[str, Headers]] = {
    "a line end in a value": ("200 OK", [("A", "b\r\nC: d")]),
    "half a line end": ("200 OK", [("A", "b\nC: d")]),
    "the other half": ("200 OK", [("A", "b\r")]),
    "a line end in a name": ("200 OK", [("A: b\r\nC", "d")]),
    "a line end in the status": ("200 OK\r\nA: b", []),
    "a zero": ("200 OK", [("A", "\0")]),
    "DEL": ("200 OK", [("A", "\x7f")]),
    "a letter beyond Latin-1": ("200 OK", [("A", "\u0663")]),
    "a name with a blank": ("200 OK", [("A b", "c")]),
    "no name": ("200 OK", [("", "c")]),
    "a name with a colon": ("200 OK", [("A:", "c")]),
    "a length that is none": ("200 OK", [("Content-Length", "many")]),
}


class Sent:
    """What a writer sends."""

    def __init__(self) -> None:
        self.bytes = b""

    def sendall(self, data: bytes) -> None:
        self.bytes += data


def request(text: bytes) -> Any:
    return Request(CONFIG, IterUnreader([text + b"\r\n"]), ("127.0.0.1", 1))


def written(text: bytes, status: str, headers: Headers, parts: Sequence[bytes], *, last: bool) -> tuple[bytes, bool]:
    """The reply, and whether another may follow."""
    sent: Any = Sent()
    reply = Reply(request(text), sent, last=last)
    write = reply.start(status, headers)
    for part in parts:
        write(part)
    reply.end()
    return sent.bytes, not reply.last


def gunicorns(text: bytes, status: str, headers: Headers, parts: Sequence[bytes], *, last: bool) -> tuple[bytes, bool]:
    sent = Sent()
    response = Response(request(text), sent, CONFIG)
    if last:
        response.force_close()
    response.start_response(status, headers)
    for part in parts:
        response.write(part)
    response.close()
    return sent.bytes, not response.should_close()


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", ROWS)
def test_a_reply_is_what_gunicorn_would_write(name: str, last: bool) -> None:
    text, status, headers, parts, follows = ROWS[name]
    ours, theirs = (by(text, status, headers, parts, last=last) for by in (written, gunicorns))
    assert len(DATE.findall(ours[0])) == 1
    assert (DATE.sub(b"", ours[0]), ours[1]) == (DATE.sub(b"", theirs[0]), theirs[1])
    assert ours[1] == (follows and not last)


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_not_fit_for_a_head_is_not_sent(name: str) -> None:
    sent: Any = Sent()
    reply = Reply(request(b"GET / HTTP/1.1\r\n"), sent, last=False)
    with pytest.raises(ValueError, match=r"stand in one|no name|latin-1|invalid literal"):
        reply.start(*UNFIT[name])
    assert (sent.bytes, reply.begun) == (b"", False)


@pytest.mark.parametrize("parts", [[b"ab"], [b"ab", b"cd"], []])
def test_a_body_of_another_length_breaks_off(parts: list[bytes]) -> None:
    """Whatever follows on its connection would be misread."""
    with pytest.raises(ValueError, match="Content-Length"):
        written(b"GET / HTTP/1.1\r\n", "200 OK", [THREE], parts, last=False)
