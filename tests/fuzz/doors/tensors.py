"""One tensor: JSON or raw bytes into an array. The oracles are Python's own numbers and `struct`."""

import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import orjson

from convserve_wire.datatypes import DATATYPES
from convserve_wire.errors import WireError
from convserve_wire.messages import TensorHeader, parse
from convserve_wire.tensors import Array, Tensor, from_bytes, from_json, to_bytes, to_json
from tests.crash.promises import demand
from tests.fuzz.doors import bytewise, jsonwise
from tests.fuzz.doors.door import Case, Door, refused, taken

CODES = {
    "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h", "INT32": "i",
    "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
EDGES = {
    "BOOL": (True, False), "FP16": (0, 65504, -65504.0, 6e-8, -0.0, 0.1), "FP32": (0, 3.4e38, -1e-45, 16777217, 0.1),
    "FP64": (0, 1.7e308, 5e-324, -0.0, 9007199254740993), "BYTES": ("", "a", "é", "\0", "a" * 70),
}  # fmt: skip
JSON, BINARY = b"json", b"binary"
SHAPES = ([], [1], [0], [5], [2, 3], [3, 0, 2], [1, 2, 2, 2], [1] * 8)


def door(_: Path) -> Door:
    return Door(seeds(), change, ask, peak=64 << 20)


def seeds() -> list[Case]:
    """Every datatype in every shape, with the numbers at its edges."""
    cases: list[Case] = []
    for datatype in DATATYPES:
        edges = EDGES.get(datatype) or _limits(datatype)
        for shape in SHAPES:
            values = [edges[i % len(edges)] for i in range(int(np.prod(shape)))]
            nested = np.array(values, object).reshape(shape).tolist() if shape else values
            written = orjson.dumps(shape)
            for data in (values, nested):
                cases.append((JSON, datatype.encode(), written, orjson.dumps(data)))
            cases.append((BINARY, datatype.encode(), written, _packed(datatype, values)))
    return cases


def change(random: Random, case: Case) -> Case:
    kind, datatype, shape, data = case
    match random.randrange(8):
        case 0:
            return kind, random.choice(tuple(DATATYPES)).encode(), shape, data
        case 1 | 2:
            return kind, datatype, jsonwise.changed(random, shape), data
        case _ if kind == JSON:
            return kind, datatype, shape, jsonwise.changed(random, data)
        case _:
            return (
                kind,
                datatype,
                shape,
                bytewise.changed(random, data, (b"\0\0\x80\x7f", b"\xff\xff\xff\xff", b"\0\x7c")),
            )


def ask(case: Case) -> str:
    """What is taken has the shape that was said and the values that were sent, and can be told again."""
    kind, datatype, shape, data = case
    text = b'{"name":"x","datatype":"%b","shape":%b,"data":%b}' % (datatype, shape, data if kind == JSON else b"null")
    try:
        header = parse(TensorHeader, text)
        if kind == JSON:
            array = from_json(header.data, header.datatype, header.shape, "x")
        else:
            array = from_bytes(memoryview(data), header.datatype, header.shape, "x")
    except WireError as error:
        return refused(error)
    demand(list(array.shape) == header.shape, "the shape is what was said", str(array.shape))
    demand(array.dtype == DATATYPES[header.datatype], "the dtype too", str(array.dtype))
    sent = _packed(header.datatype, list(_flat(header.data))) if kind == JSON else data
    demand(bytes(to_bytes(array)) == sent, "the values are what was sent", repr(array)[:1000])
    if kind == BINARY:
        demand(array.size == 0 or header.datatype == "BYTES" or _numbers(header.datatype,
        data) == array.ravel().tolist(),
               "the numbers are those of the bytes", repr(array)[:1000])  # fmt: skip
    if header.datatype != "BYTES" or kind == JSON:
        _tell_again(array, header.datatype, header.shape)
    return taken(kind.decode(), header.datatype, array.ndim, array.size > 0)


def _tell_again(array: Array, datatype: str, shape: list[int]) -> None:
    """As JSON, flat."""
    text = orjson.dumps(to_json(Tensor("x", array)), option=orjson.OPT_SERIALIZE_NUMPY)
    again = from_json(orjson.loads(text), datatype, shape, "x")
    demand(bytes(to_bytes(again)) == bytes(to_bytes(array)), "it can be told again", repr(array)[:1000])


def _flat(data: Any) -> Iterator[Any]:
    if isinstance(data, list):
        for inner in data:
            yield from _flat(inner)
    else:
        yield data


def _packed(datatype: str, values: list[Any]) -> bytes:
    """The bytes of the wire, by `struct`."""
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(value.encode())) + value.encode() for value in values)
    return struct.pack(f"<{len(values)}{CODES[datatype]}", *values)


def _numbers(datatype: str, data: bytes) -> list[Any]:
    size = struct.calcsize(f"<{CODES[datatype]}")
    return list(struct.unpack(f"<{len(data) // size}{CODES[datatype]}", data))


def _limits(datatype: str) -> tuple[int, ...]:
    limits = np.iinfo(DATATYPES[datatype])
    return int(limits.min), int(limits.max), 0, 1
