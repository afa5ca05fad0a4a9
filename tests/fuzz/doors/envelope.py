"""The V2 envelope: the header's JSON, its length in the HTTP header, and the raw tensors behind it."""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import numpy as np

from convserve_wire import messages
from convserve_wire.datatypes import DATATYPES
from convserve_wire.envelope import Request, decode_raw, decode_request, encode_request
from convserve_wire.errors import WireError
from convserve_wire.tensors import Array
from tests.crash.promises import demand
from tests.fuzz.doors import bytewise, jsonwise
from tests.fuzz.doors.door import Case, Door, refused, taken

MESSAGES: dict[bytes, type[messages.InferRequest]] = {
    b"infer": messages.InferRequest,
    b"gradients": messages.GradientsRequest,
    b"train": messages.TrainRequest,
    b"step": messages.StepRequest,
    b"evaluate": messages.EvaluateRequest,
    b"explain": messages.ExplainRequest,
}
RAW = b"raw"  # header length 0: the body is one row
ROW = (1, 4, 4)
NONE = b""  # no header length
LENGTHS = (
    NONE,
    b"0",
    b"1",
    b"-1",
    b"+1",
    b" 2",
    b"1e1",
    b"0x2",
    b"1_0",
    "²".encode(),
    b"9" * 18,
    b"9" * 19,
    b"9" * 5000,
)
WORDS = tuple(f'"{word}"'.encode() for word in (
    *DATATYPES, "FP8", "inputs", "outputs", "name", "shape", "datatype", "data", "parameters", "binary_data_size",
    "binary_data", "binary_data_output", "shared_memory_region", "id", "epochs", "batch_size", "optimizer", "method",
))  # fmt: skip


def door(_: Path) -> Door:
    return Door(seeds(), change, ask, peak=64 << 20)


def seeds() -> list[Case]:
    """Every datatype, in JSON and in binary, for every verb."""
    arrays = {name: array(name) for name in DATATYPES}
    few = {"x": arrays["FP32"].reshape(1, 1, 2, 3), "y": np.array([1])}
    made = [(b"infer", encode_request(arrays, ["logits"], {"id": "abc"}, binary=binary)) for binary in (True, False)]
    made += [
        (kind, encode_request(few, None, {"method": "saliency"} if kind == b"explain" else {}, binary=binary))
        for kind in MESSAGES
        for binary in (True, False)
    ]
    cases = [(kind, NONE if length is None else length.encode(), body) for kind, (body, length) in made]
    return [*cases, (RAW, b"0", bytes(16)), (RAW, b"0", bytes(64))]


def change(random: Random, case: Case) -> Case:
    """The header with its length set right, mostly; else the tensors, or the length."""
    kind, length, body = case
    if kind == RAW:
        return kind, length, bytewise.changed(random, body)
    at = int(length) if length.isdigit() and len(length) < 8 else len(body)
    header, raw = body[:at], body[at:]
    match random.randrange(8):
        case 0:
            return kind, random.choice((*LENGTHS, b"%d" % (at + random.choice((-1, 1, 16))))), body
        case 1:
            return kind, length, header + bytewise.changed(random, raw)
        case 2:
            return random.choice(tuple(MESSAGES)), length, body
        case _:
            header = jsonwise.changed(random, header, WORDS)
            return kind, NONE if length == NONE else b"%d" % len(header), header + raw


def ask(case: Case) -> str:
    """What is taken comes back the same when it is sent again."""
    kind, length, body = case
    try:
        if kind == RAW:
            request = decode_raw(body, ROW)
        else:
            request = decode_request(MESSAGES[kind], body, length.decode("latin-1") if length else None)
        flags = [request.binary(name) for name in request.output_names() or ("logits",)]
    except WireError as error:
        return refused(error)
    if kind != RAW:
        fresh = repr(MESSAGES[kind].model_validate_json(body if length == NONE else body[: int(length)]))
        demand(repr(request.message) == fresh, "a text means the same each time", fresh[:1000])
    again: Request[messages.InferRequest] = decode_request(
        messages.InferRequest, *encode_request(request.tensors, request.output_names(), binary=True)
    )
    demand(_same(request.tensors, again.tensors), "what was taken can be sent again", repr(request.tensors)[:1000])
    demand(again.output_names() == request.output_names(), "outputs stay", str(request.output_names()))
    return taken(kind.decode(), len(flags), *sorted({array.dtype.name for array in request.tensors.values()}))


def _same(some: Mapping[str, Array], others: Mapping[str, Array]) -> bool:
    """The same names, dtypes, shapes and bits."""
    return list(some) == list(others) and all(
        a.dtype == b.dtype
        and a.shape == b.shape
        and (a.tolist() if a.dtype == object else a.tobytes()) == (b.tolist() if b.dtype == object else b.tobytes())
        for a, b in zip(some.values(), others.values(), strict=True)
    )


def array(datatype: str) -> Array:
    """Six elements."""
    if datatype == "BYTES":
        return np.array([[b"a", b"", "é".encode()], [b"0", b"\0", b"abcdef"]], object)
    return np.arange(6).reshape(2, 3).astype(DATATYPES[datatype])
