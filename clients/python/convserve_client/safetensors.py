"""A small reader and writer of safetensors: names to arrays, as in PyTorch's state_dict files."""

import json
from collections.abc import Mapping
from math import prod

import numpy as np

from convserve_client.errors import ReplyError
from convserve_wire.tensors import Array

DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
    "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}


def load(data: bytes) -> dict[str, Array]:
    """Arrays by name, writable copies; ReplyError where the bytes are no safetensors file."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        return {name: _array(data[8 + length :], **entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReplyError(f"these bytes are not a safetensors file: {error}") from error


def save(tensors: Mapping[str, Array]) -> bytes:
    """The bytes of a safetensors file."""
    header, chunks, start = {}, [], 0
    for name, array in tensors.items():
        little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        chunks.append(little.tobytes())
        stop = start + len(chunks[-1])
        header[name] = {"dtype": NAMES[little.dtype], "shape": list(array.shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, *chunks))


def _array(data: bytes, *, dtype: str, shape: list[int], data_offsets: list[int]) -> Array:
    start, stop = data_offsets
    if stop - start != prod(shape) * np.dtype(DTYPES[dtype]).itemsize:
        raise ValueError(f"shape {shape} does not fit {stop - start} bytes")
    return np.frombuffer(data[start:stop], DTYPES[dtype]).reshape(shape).copy()
