"""The safetensors format: arrays to byte chunks, a buffer to read-only views. Files and fsync live in the store.

Layout: uint64 header length, JSON header padded with spaces so that data starts at a multiple of 64, then the tensors
one after the other, larger item sizes first, without holes. Source: the safetensors format description, version 0.5.
"""

import json
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from convserve_model.errors import SafetensorsError, told
from convserve_model.protocols import Array

ALIGNMENT = 64
MAX_HEADER = 8 << 20  # bytes: each entry becomes objects of twenty times its size
MAX_EXTENT = 1 << 59  # elements but for axes of length 0, which NumPy counts as 1: 8 bytes of each must fit an int64
DTYPES: dict[str, str] = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
    "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2",
}  # fmt: skip
NAMES = {np.dtype(code): name for name, code in DTYPES.items() if name != "BF16"}


def serialize(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> list[bytes | memoryview]:
    """Chunks of the file; the same tensors in the same order and metadata give the same bytes."""
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    data: list[bytes | memoryview] = []
    start = 0
    for name, array in sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize):
        little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        stop = start + little.nbytes
        header[name] = {"dtype": NAMES[little.dtype], "shape": list(array.shape), "data_offsets": [start, stop]}
        data.append(little.reshape(-1).view(np.uint8).data)
        start = stop
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return [len(text).to_bytes(8, "little") + text, *data]


def deserialize(buffer: bytes | bytearray | memoryview) -> tuple[dict[str, Array], dict[str, str]]:
    """(tensors, metadata): read-only views, but copies of misaligned tensors and float32 ones of BF16."""
    raw = np.frombuffer(buffer, np.uint8)
    raw.flags.writeable = False
    header, data = _header(raw)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise SafetensorsError("the safetensors header's __metadata__ must map names to strings")
    spans: list[tuple[int, int, str]] = []
    tensors: dict[str, Array] = {}
    for name, entry in header.items():
        start, stop, array = _tensor(name, entry, data)
        spans.append((start, stop, name))
        tensors[name] = array
    _check_cover(sorted(spans), data.size)
    return tensors, metadata


def _header(raw: Array) -> tuple[dict[str, Any], Array]:
    if raw.size < 8:
        raise SafetensorsError(f"a safetensors file has at least 8 bytes, but this one has {raw.size}")
    length = int.from_bytes(raw[:8].tobytes(), "little")
    if length > min(MAX_HEADER, raw.size - 8):
        raise SafetensorsError(
            f"the safetensors header claims {length} bytes, but only {raw.size - 8} follow its length;"
            " is the file cut off?"
        )
    try:
        header = json.loads(raw[8 : 8 + length].tobytes().decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise SafetensorsError(f"the safetensors header is not JSON: {str(error)[:200]}") from error
    if not isinstance(header, dict):
        raise SafetensorsError("the safetensors header must be a JSON object")
    return header, raw[8 + length :]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name is there twice")
    return entries


def _tensor(name: str, entry: Any, data: Array) -> tuple[int, int, Array]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise SafetensorsError(
            f"tensor {name[:80]!r} needs exactly dtype, shape and data_offsets in the header", name[:80]
        )
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in DTYPES:
        raise SafetensorsError(
            f"tensor {name[:80]!r} has dtype {str(kind)[:20]!r}; known are {', '.join(DTYPES)}", name[:80]
        )
    if not _naturals(shape) or not _naturals(offsets) or len(offsets) != 2:
        raise SafetensorsError(
            f"tensor {name[:80]!r}: shape and data_offsets must be lists of integers from 0", name[:80]
        )
    dtype = np.dtype(DTYPES[kind])
    start, stop = offsets
    if stop > data.size or stop - start != prod(shape) * dtype.itemsize:
        needed = told(prod(shape) * dtype.itemsize)
        raise SafetensorsError(
            f"tensor {name[:80]!r} of shape {told(shape)} and dtype {kind} needs {needed} bytes,"
            f" but its data_offsets are {told(offsets)} in {data.size} bytes of data",
            name[:80],
        )
    if prod(extent or 1 for extent in shape) > MAX_EXTENT:
        raise SafetensorsError(
            f"tensor {name[:80]!r} has shape {told(shape)}, which is larger than any array", name[:80]
        )
    piece = data[start:stop]
    if piece.ctypes.data % dtype.itemsize:
        piece = piece.copy()
        piece.flags.writeable = False
    array = piece.view(dtype).reshape(shape)
    if kind == "BF16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
        array.flags.writeable = False
    return start, stop, array


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 32 and all(type(v) is int and 0 <= v < 1 << 62 for v in value)


def _check_cover(spans: list[tuple[int, int, str]], size: int) -> None:
    """Tensors lie one behind the other: no hole, no overlap, nothing left over."""
    end = 0
    for start, stop, name in spans:
        if start != end:
            raise SafetensorsError(
                f"tensor {name[:80]!r} starts at byte {start}, but the one before it ends at {end}", name[:80]
            )
        end = stop
    if end != size:
        raise SafetensorsError(f"the safetensors data has {size} bytes, but the tensors cover {end}")
