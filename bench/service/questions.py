"""How each service is asked for the logits of one image, and where in its reply they are."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import orjson

from bench.connections import Call
from bench.stores import MODEL
from convserve_wire import paths
from convserve_wire.envelope import HEADER_LENGTH, decode_reply, encode_request
from convserve_wire.tensors import Array

JSON, BINARY = "JSON", "binary"
V2_PATH = paths.fill(paths.INFER, model=MODEL)
AS_JSON = {"Content-Type": "application/json"}
AS_BYTES = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True)
class Question:
    """`ask` takes pixels [1,1,28,28] from 0 to 1, float32; `logits` takes a body and gives ten numbers."""

    ask: Callable[[Array], Call]
    logits: Callable[[bytes], Array]


def v2() -> Question:
    """JSON of the Open Inference Protocol V2."""

    def ask(x: Array) -> Call:
        return Call("POST", V2_PATH, encode_request({"x": x}, binary=False)[0], AS_JSON)

    return Question(ask, lambda body: decode_reply(body, None)[1]["logits"].ravel())


def v2_binary() -> Question:
    """The same with the binary tensor extension, both ways: the reply's raw logits are its end."""

    def ask(x: Array) -> Call:
        body, length = encode_request({"x": x})
        return Call("POST", V2_PATH, body, {**AS_BYTES, HEADER_LENGTH: str(length)})

    return Question(ask, lambda body: np.frombuffer(body[-40:], "<f4"))


def plain(path: str, name: str | None = "logits") -> Question:
    """An object with one list of numbers; the reply has one too, or is the list where it has no name."""

    def ask(x: Array) -> Call:
        return Call("POST", path, orjson.dumps({"x": x.ravel()}, option=orjson.OPT_SERIALIZE_NUMPY), AS_JSON)

    def logits(body: bytes) -> Array:
        reply = orjson.loads(body)
        return np.array(reply if name is None else reply[name], "float32").ravel()

    return Question(ask, logits)


def raw(path: str) -> Question:
    """Nothing but float32, both ways."""
    return Question(lambda x: Call("POST", path, x.tobytes(), AS_BYTES), lambda body: np.frombuffer(body, "<f4"))
