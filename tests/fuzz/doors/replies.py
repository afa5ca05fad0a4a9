"""The client's side: what a service, or whoever answers in its place, may send."""

import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import requests

from convserve_client import decode, safetensors
from convserve_client.errors import ReplyError
from convserve_client.events import lines, parse
from convserve_client.failures import refusal
from convserve_client.transport import Reply
from convserve_wire.envelope import HEADER_LENGTH, decode_request, encode_reply, encode_request
from convserve_wire.messages import InferRequest
from convserve_wire.tensors import Tensor
from tests.client.test_decode import JOB, VERSION
from tests.crash.promises import demand
from tests.fuzz.doors import bytewise, envelope, files, jsonwise
from tests.fuzz.doors.door import Case, Door, taken

NONE = b""
MOST_TOLD = 2000  # characters
ROWS = {
    b"versions": {"versions": [VERSION, VERSION]},
    b"predictions": {"model_version": "2", "predictions": [{"top": [{"index": 7, "label": "7", "probability": 0.9}]}]},
    b"datasets": {"datasets": [{"name": "d", "rows": 2, "bytes": 99, "digest": "sha256:a", "created": "2026"}]},
    b"job": JOB,
    b"jobs": {"jobs": [JOB]},
}
READERS: dict[bytes, Callable[[Reply], object]] = {
    b"tensors": decode.tensors,
    b"trained": decode.trained,
    b"versions": decode.versions,
    b"predictions": decode.predictions,
    b"datasets": decode.datasets,
    b"job": decode.job,
    b"jobs": decode.jobs,
    b"file": lambda reply: safetensors.load(reply.body),
    b"event": lambda reply: [decode.event(event.data) for event in parse(lines([reply.body])) if event.data],
}
REFUSAL = b"refusal"
HEADERS = ("Retry-After", "Convserve-Model-Version", "X-Request-Id")
SAID = (b"1", b"41", b"-1", b"0.5", b"nan", b"1e400", b"9" * 20, b"9" * 5000, b"\xb2", b"a", b"",
        b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 9999 08:49:37 -2359", b"Sun, 06 Nov 1994 08:49:37 +9999999999",
        b"Sun, 06 Nov 1994 99:99:99 GMT", b"Sun, 06 Nov " + b"9" * 20 + b" 08:49:37 GMT")  # fmt: skip
LINES = (
    b"data: ", b"data", b"id: 1\n", b"id: \0\n", b"retry: 9\n", b"retry: " + b"9" * 20, b"retry: " + b"9" * 5000,
    b"\n\n", b"\r", b"\r\n", b":\n", b"event: x\n", b"\xff", b"\xef\xbb\xbf",
)  # fmt: skip


def door(_: Path) -> Door:
    return Door(seeds(), change, ask, peak=64 << 20)


def seeds() -> list[Case]:
    """A reply to every call, in JSON and in binary; a file of weights; a stream of events."""
    cases: list[Case] = [(kind, NONE, orjson.dumps(members)) for kind, members in ROWS.items()]
    for binary in (False, True):
        request = decode_request(InferRequest, *encode_request({}, binary=binary))
        outputs = [Tensor(name, envelope.array(name)) for name in ("FP32", "INT64", "BYTES")]
        members = {"model_version": "2", "step": 3, "digest": "sha256:a", "weights_digest": "sha256:b"}
        for kind in (b"tensors", b"trained"):
            body, length = encode_reply(members, outputs, request)
            cases.append((kind, NONE if length is None else length.encode(), body))
    cases += [(b"file", NONE, data) for (data,) in files.seeds() if b"BF16" not in data]
    told = {"error": "a reason", "code": "too_large", "where": "inputs[0]"}
    cases += [(REFUSAL, said, orjson.dumps(told)) for said in SAID]
    event = orjson.dumps({**JOB, "losses": [0.5]})
    return [
        *cases,
        (b"event", NONE, b"retry: 9\n\nid: 1\nevent: progress\ndata: %b\n\nid: 2\r\ndata: %b\r\n\r\n" % (event, event)),
    ]


def change(random: Random, case: Case) -> Case:
    kind, length, body = case
    if kind == b"file":
        return kind, NONE, files.change(random, (body,))[0]
    if kind == b"event":
        return (
            kind,
            NONE,
            bytewise.changed(random, body, LINES) if random.random() < 0.5 else jsonwise.changed(random, body),
        )
    if kind == REFUSAL and random.random() < 0.3:
        return kind, bytewise.changed(random, length, SAID), body
    if kind == REFUSAL:
        return kind, length, jsonwise.changed(random, body)
    _, length, body = envelope.change(random, (b"infer", length, body))
    return kind, length, body


def ask(case: Case) -> str:
    """What is no reply is a ReplyError that says so."""
    kind, length, body = case
    if kind == REFUSAL:
        return _refused(length.decode("latin-1"), body)
    try:
        found: Any = READERS[kind](Reply(body, {HEADER_LENGTH: length.decode("latin-1")} if length else {}))
    except ReplyError as error:
        demand(0 < len(str(error)) < MOST_TOLD, "an error is a sentence", str(error)[:2000])
        return f"ReplyError {type(error.__cause__).__name__} {str(error.__cause__)[:30]}"
    return taken(kind.decode(), type(found).__name__)


def _refused(said: str, body: bytes) -> str:
    """Whatever is said in its headers and its body, it is an error of the client's with a sentence."""
    response = requests.Response()
    response.status_code, response.raw = 412, io.BytesIO(body)
    response.headers.update(dict.fromkeys(HEADERS, said))
    error = refusal(response)
    demand(str(error) != "", "an error is a sentence", repr(error))
    return taken(error.code == "unknown", error.where is None, error.current_version is None, error.retry_after is None)
