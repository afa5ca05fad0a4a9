"""A small reader and writer of safetensors: names to arrays, as in PyTorch's state_dict files.

Source: https://github.com/huggingface/safetensors#format.
"""

import json
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from convserve_client.errors import ConvserveError, ReplyError
from convserve_wire.tensors import Array

DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
    "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
SHOWN = 200  # characters of what is wrong
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}


def load(data: bytes) -> dict[str, Array]:
    """Arrays by name, writable copies; ReplyError where the bytes are no safetensors file."""
    try:
        return _load(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReplyError(f"these bytes are not a safetensors file: {str(error)[:SHOWN]}") from error


def save(tensors: Mapping[str, Any]) -> bytes:
    """The bytes of a safetensors file; ConvserveError for a dtype that the format does not have."""
    header, chunks, start = {}, [], 0
    for name, value in tensors.items():
        array = np.asarray(value)
        if array.dtype.newbyteorder("<") not in NAMES:
            raise ConvserveError(
                f"{name!r} is {array.dtype}, which cannot be written; convert it to one of {', '.join(map(str, NAMES))}"
            )
        little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        chunks.append(little.tobytes())
        stop = start + len(chunks[-1])
        header[name] = {"dtype": NAMES[little.dtype], "shape": list(array.shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, *chunks))


def _load(data: bytes) -> dict[str, Array]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise ValueError(f"the header is said to have {length} bytes, but the file has {len(data)}")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = memoryview(data)[8 + length :]
    end = 0
    for start, stop in sorted(entry["data_offsets"] for entry in header.values()):
        if start != end or stop < start:
            raise ValueError(f"a tensor begins at byte {start}, but the one before it ends at {end}")
        end = stop
    if end != len(body):
        raise ValueError(f"the tensors end at byte {end}, but the data has {len(body)} bytes")
    return {name: _array(body, **entry) for name, entry in header.items()}


def _array(data: memoryview, *, dtype: str, shape: list[int], data_offsets: list[int]) -> Array:
    start, stop = data_offsets
    if not (isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)):
        raise ValueError(f"a shape is a list of sizes from 0, but one is {shape!r}")
    if stop - start != prod(shape) * np.dtype(DTYPES[dtype]).itemsize:
        raise ValueError(f"shape {shape} does not fit {stop - start} bytes")
    return np.frombuffer(data[start:stop], DTYPES[dtype]).reshape(shape).copy()
