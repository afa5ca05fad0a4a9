"""The client's side: what a service, or whoever answers in its place, may send."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson

from convserve_client import decode, safetensors
from convserve_client.errors import ReplyError
from convserve_client.events import lines, parse
from convserve_client.transport import Reply
from convserve_wire.envelope import HEADER_LENGTH, encode_reply, encode_request, decode_request
from convserve_wire.messages import InferRequest
from convserve_wire.tensors import Tensor
from tests.client.test_decode import JOB, VERSION
from tests.crash.promises import demand
from tests.fuzz.doors import bytewise, envelope, files, jsonwise
from tests.fuzz.doors.door import Case, Door, taken

NONE = b""
ROWS = {
    b"versions": {"versions": [VERSION, VERSION]},
    b"predictions": {"model_version": "2", "predictions": [{"top": [{"index": 7, "label": "7", "probability": 0.9}]}]},
    b"datasets": {"datasets": [{"dataset": "d", "rows": 2, "bytes": 99, "digest": "sha256:a", "created": "2026"}]},
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
LINES = (b"data: ", b"data", b"id: 1\n", b"id: \0\n", b"retry: 9\n", b"retry: 99999999999999999999\n", b"\n\n", b"\r", b"\r\n", b":\n",
         b"event: x\n", b"\xff", b"\xef\xbb\xbf")  # fmt: skip
