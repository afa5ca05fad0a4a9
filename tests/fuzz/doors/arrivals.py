"""Bytes of a connection: how much of a request is there, and what gunicorn's parser makes of it."""

from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import orjson
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData, ParseException

from convserve_service.front import calling, refusals
from convserve_service.front.arrival import START, advance
from convserve_service.front.errors import Refused
from tests.crash.promises import demand
from tests.fuzz.doors import bytewise
from tests.fuzz.doors.door import Case, Door, taken

MOST = 1 << 16
PEER = ("127.0.0.1", 1)
CONFIG = calling.plain(Config())
PIECES = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b":", b"\0", b"0\r\n\r\n", b"5\r\nabcde\r\n",
    b"ffffffffffffffff\r\n",
    b"Content-Length: 5\r\n", b"Content-Length: +5\r\n", b"Content-Length: 5, 5\r\n", b"content-length:\t0\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding:\x0bchunked\r\n", b"Expect: 100-continue\r\n",
    b"Host: y\r\n",
    b" folded\r\n", b"GET / HTTP/1.1\r\n\r\n", b" HTTP/1.0\r\n", b" HTTP/2.0\r\n", b"Content_Length: 5\r\n",
    b"A: \xff\r\n",
    b"Connection: close\r\n", b"Content-Length: 99999\r\n", b"a" * 9000, b"A: b\r\n" * 101, b";a=b",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)  # fmt: skip


def door(_: Path) -> Door:
    return Door(seeds(), change, ask, peak=64 << 20)


def seeds() -> list[Case]:
    """With a body of a length, of chunks, with a trailer, without a body; the second part says where it is cut."""
    post = b"POST /v2/models/tiny/infer?a=b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    whole = (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2 HTTP/1.0\r\n\r\n",
        post + b"Content-Length: 5\r\n\r\nabcde",
        post + b"Content-Length: 0\r\n\r\n",
        post + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
        chunked + b"3\r\nabc\r\n10;a=b\r\n0123456789abcdef\r\n0\r\n\r\n",
        chunked + b"1\r\na\r\n0\r\nA: b\r\n\r\n",
    )
    return [(data, cut) for data in whole for cut in (b"", b"\1\2\3", b"\x40\x60\x80")]


def change(random: Random, case: Case) -> Case:
    data, cuts = case
    if random.random() < 0.1:
        return data, random.randbytes(random.randrange(6))
    return bytewise.changed(random, data, PIECES), cuts


def ask(case: Case) -> str:
    """In pieces it is what it is at once; what is whole, the parser takes or refuses, and leaves nothing of it."""
    data, cuts = case
    try:
        arrival = START
        for cut in sorted(cuts):
            arrival = advance(arrival, data[: cut * max(1, len(data) // 256)], MOST)
        arrival, at_once = advance(arrival, data, MOST), advance(START, data, MOST)
    except Refused as error:
        return _refused(error)
    if not arrival.whole(len(data)):
        demand(not at_once.whole(len(data)), "pieces are as good as all of it", f"{arrival}, {at_once}")
        demand(arrival.least > len(data) or arrival.ends, "it waits for something", str(arrival))
        return taken("waits")
    demand(at_once.whole(len(data)), "pieces are as good as all of it", f"{arrival}, {at_once}")
    demand(arrival.least <= len(data), "no more than is there", str(arrival))
    inbox = SimpleNamespace(arrival=arrival, take=lambda: (data[: arrival.head], data[arrival.head : arrival.least]))
    connection: Any = SimpleNamespace(inbox=inbox, client=PEER, server=PEER, outbox=None, head=None)
    try:
        first, again = calling.parse(CONFIG, connection), calling.parse(CONFIG, connection)
    except (Refused, ParseException, NoMoreData) as error:
        return _refused(error)
    demand(arrival == at_once, "pieces are as good as all of it", f"{arrival}, {at_once}")
    body = first.environ.pop("wsgi.input").read()
    demand(body == again.environ.pop("wsgi.input").read(), "a head that comes again has its own body", str(arrival))
    if connection.head is not None:
        demand(first == again, "a head that comes again is understood as before", str(arrival))
    return taken(first.request.version, len(first.request.headers), bool(body))


def _refused(error: Exception) -> str:
    """A whole reply of HTTP that is the client's fault, or 501 for what HTTP knows and the service does not."""
    head, _, body = refusals.reply(error, "127.0.0.1").partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    demand(400 <= status < 500 or status == 501, "what strangers do wrong is a 4xx", f"{status} {error!r}")
    demand(b"Content-Length: %d" % len(body) in head.split(b"\r\n"), "a reply has its length", head.decode("latin-1"))
    return f"{type(error).__name__} {orjson.loads(body)['code']}"
