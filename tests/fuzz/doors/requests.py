"""Whole requests, from the bytes of a connection to those of the reply: headers, queries, parts, and their values."""

import io
import json
import zlib
from collections.abc import Mapping
from http.client import HTTPResponse
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from gunicorn.config import Config
from werkzeug.test import Client

from convserve_service.app import create_app
from convserve_service.audit import audit
from convserve_service.datasets import Datasets
from convserve_service.front import calling, refusals
from convserve_service.front.arrival import START, advance
from convserve_service.openapi.examples import EXAMPLES
from convserve_service.settings import Settings
from convserve_service.store.store import Store
from convserve_service.turns import Turns
from tests.crash.promises import demand
from tests.fuzz.doors import bytewise, jsonwise
from tests.fuzz.doors.door import VARIABLE, Case, Door, taken
from tests.harm.pictures import jpeg, png
from tests.service.stored import file

PEER = ("127.0.0.1", 1)
CONFIG = calling.plain(Config())
MOST = 1 << 20  # bytes of a body
HEADERS = ("If-Match", "If-None-Match", "Idempotency-Key", "Last-Event-ID", "Content-Encoding", "Content-Type",
         "Accept",
         "Inference-Header-Content-Length", "Accept-Encoding", "Authorization", "X-Request-Id", "Range", "Cookie",
         "Content-Disposition", "Transfer-Encoding", "Expect", "Connection", "X-Forwarded-For",
         "Forwarded")  # fmt: skip
VALUES = (
    b"", b"1", b'"1"', b'"1', b"*", b"W/\"1\"", b'"1", "2"', b"0", b"-1", b"9" * 18, b"9" * 19, b"9" * 5000,
    "²".encode(),
    b"\xff\xfe", b"a b", b'"', b'""', b"k" * 255, b"k" * 256, b"gzip", b"deflate", b"br", b"gzip;q=0", b"*;q=nan",
    b"image/png",
    b"application/json", b"application/json; charset=utf-7", b"multipart/form-data", b"multipart/form-data; boundary=b",
    b"multipart/form-data; boundary=" + b"b" * 300, b"text/event-stream", b"Bearer", b"Bearer cs_1_a", b"Basic a:b",
    b"bytes=0-1", b"bytes=-1", b"a=b; c", b"*/*;q=0.1, image/png", b"chunked", b"100-continue", b"close", b"\t",
    b"a" * 9000,
)  # fmt: skip
PIECES = (b"&", b"=", b"?", b"%", b"%ff", b"%00", b"%2f", b"..", b"//", b"/v2", b"\0", b"+", b";", b"#", b"limit=1",
         b"top_k=9",
          b"before=", b"9" * 30, b"\xc3\xa9", b"tiny", b"production", b"versions/1")  # fmt: skip
BOUNDARY = (b"--b\r\n", b"--b--\r\n", b"\r\n\r\n", b"\r\n", b'Content-Disposition: form-data; name="image"',
         b'; filename="a"',
            b"; filename*=UTF-8''%ff", b"Content-Transfer-Encoding: base64\r\n", b"--", b"\n")  # fmt: skip


def door(folder: Path) -> Door:
    app = create_app(Settings(data_dir=folder / "data", threads=1, keep=5, max_body=MOST, max_pixels=1 << 16))
    client = Client(app)
    for path, body in (("models/tiny", json.dumps(EXAMPLES["create"]).encode()), ("datasets/rows", file())):
        demand(client.put(f"/v2/{path}", data=body).status_code == 201, "it can be made", path)

    def ask(case: Case) -> str:
        return _answer(app, case)

    def close() -> None:
        store = Store.open(folder / "data")
        wrong = [found for found in audit(store, Datasets(store, Turns(store, 1))) if found.problem]
        demand(not wrong, "the store is whole", str(wrong[:5]))

    return Door(seeds(), change, ask, peak=256 << 20, close=close)


def seeds() -> list[Case]:
    """The request line, the other headers, the body."""
    model, js = "/v2/models/tiny", {"Content-Type": "application/json"}
    parts = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n%b\r\n--b--\r\n' % png(4, 4)
    infer = json.dumps(EXAMPLES["infer"]).encode()
    train = json.dumps(EXAMPLES["train"]).encode()
    rows: tuple[tuple[str, str, Mapping[str, str], bytes], ...] = (
        ("GET", "/v2", {"Accept-Encoding": "gzip"}, b""),
        ("GET", "/openapi.json", {"If-None-Match": '"a"'}, b""),
        ("GET", "/docs/", {}, b""),
        ("GET", "/metrics", {"Accept": "text/plain"}, b""),
        ("GET", "/v1/models/tiny", {}, b""),
        ("GET", f"{model}/versions?limit=5&before=3", {}, b""),
        ("GET", f"{model}/weights", {"If-None-Match": '"a"', "Range": "bytes=0-1"}, b""),
        ("GET", "/v2/datasets/rows", {"If-None-Match": "*"}, b""),
        ("GET", "/v2/jobs?limit=10", {}, b""),
        ("POST", f"{model}/infer", {"Accept-Encoding": "gzip"}, infer),
        ("POST", f"{model}/infer", {"Content-Encoding": "deflate", **js}, zlib.compress(infer)),
        ("POST", f"{model}/versions/1/infer", {"Inference-Header-Content-Length": "0"}, bytes(16)),
        ("POST", f"{model}/predict?top_k=2", {"Content-Type": "image/png"}, png(4, 4)),
        ("POST", f"{model}/predict", {"Content-Type": "image/jpeg"}, jpeg((8, 8))),
        ("POST", f"{model}/predict", {"Content-Type": "multipart/form-data; boundary=b"}, parts),
        ("POST", f"{model}/predict", js, json.dumps(EXAMPLES["predict"]).encode()),
        ("POST", "/v1/models/tiny:predict", js, json.dumps(EXAMPLES["v1_predict"]).encode()),
        (
            "POST",
            f"{model}/explain?method=saliency&target=1",
            {"Content-Type": "image/png", "Accept": "image/png"},
            png(4, 4),
        ),
        ("POST", f"{model}/explain", {"Accept": "image/png", **js}, json.dumps(EXAMPLES["explain"]).encode()),
        ("POST", f"{model}/gradients", js, json.dumps(EXAMPLES["gradients"]).encode()),
        ("POST", f"{model}/train", {"Idempotency-Key": '"a"', **js}, train),
        ("PUT", "/v2/datasets/rows", {}, file()),
        ("POST", "/v2/repository/index", {}, b""),
    )
    cases = []
    for method, target, headers, body in rows:
        lines = [f"{name}: {value}".encode() for name, value in {"Host": "localhost", **headers}.items()]
        cases.append((f"{method} {target}".encode(), b"\r\n".join(lines), body))
    return cases


def change(random: Random, case: Case) -> Case:
    line, headers, body = case
    match random.randrange(8):
        case 0 | 1:
            return bytewise.changed(random, line, PIECES), headers, body
        case 2 | 3:
            name = random.choice(HEADERS).encode()
            return line, headers + b"\r\n" + name + b": " + random.choice(VALUES), body
        case 4:
            return line, bytewise.changed(random, headers, VALUES), body
        case 5 if b"multipart" in headers:
            return line, headers, bytewise.changed(random, body, BOUNDARY)
        case 5 | 6 if body[:1] in b"{[":
            return line, headers, jsonwise.changed(random, body)
        case _:
            return line, headers, bytewise.changed(random, body)


def _answer(app: Any, case: Case) -> str:
    """A whole reply in HTTP, of JSON where it refuses, and never the server's fault."""
    line, headers, body = case
    data = b"%b HTTP/1.1\r\n%b\r\nContent-Length: %d\r\n\r\n%b" % (line, headers, len(body), body)
    sent = bytearray()
    connection: Any = SimpleNamespace(client=PEER, server=PEER, outbox=SimpleNamespace(sendall=sent.extend), head=None)
    try:
        arrival = advance(START, data, MOST)
        if not arrival.whole(len(data)):
            return "waits"
        take = (data[: arrival.head], data[arrival.head : arrival.least])
        connection.inbox = SimpleNamespace(arrival=arrival, take=lambda: take)
        asked = calling.parse(CONFIG, connection)
        calling.call(app, asked, connection, last=True)
    except Exception as error:  # as the service does with whatever happens
        sent = bytearray(refusals.reply(error, PEER[0]))
    return _checked(bytes(sent), line)


def _checked(sent: bytes, line: bytes) -> str:
    reply = HTTPResponse(
        SimpleNamespace(makefile=lambda _: io.BytesIO(sent)), method=line.split(b" ")[0].decode("latin-1")
    )  # type: ignore[arg-type]
    reply.begin()
    body, kind = reply.read(), reply.headers.get("Content-Type", "")
    demand(reply.status < 500 or reply.status == 501, "no 5xx", sent[:2000].decode("latin-1"))
    if reply.status < 400:
        return taken(reply.status, kind, reply.headers.get("Content-Encoding"))
    demand(kind == "application/json", "an error is JSON", sent[:2000].decode("latin-1"))
    said = json.loads(body) if body else {"error": "", "code": "HEAD"}
    demand(len(said["error"]) < 1000, "an error is a sentence", sent[:2000].decode("latin-1"))
    return f"{reply.status} {said['code']} {VARIABLE.sub('', said['error'])[:40]}"
