"""One tensor on the wire, as JSON or as raw little-endian bytes, checked: nothing wraps, nothing is guessed."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convserve_wire.datatypes import DATATYPES, datatype_of
from convserve_wire.errors import NonFiniteOutput, TensorError

Array = npt.NDArray[Any]
TYPES: dict[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float}, "O": {str}}
MAX_DIMENSIONS = 8
MAX_TEXTS = 4_000_000  # elements of BYTES: each is an object
PLAIN = 1 << 16  # a size that needs no closer look
MAX_ELEMENTS = 1 << 48  # of a shape whose sizes of 0 are taken as 1, for NumPy cannot describe larger ones


@dataclass(frozen=True, eq=False)
class Tensor:
    """A named array; `parameters` are the V2 parameters of its header."""

    name: str
    array: Array
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def datatype(self) -> str:
        return datatype_of(self.array.dtype)


def from_json(data: Any, datatype: str, shape: Sequence[int], where: str) -> Array:
    """Nested or flat lists -> array; TensorError names the element that does not fit."""
    dtype = _dtype(datatype, shape, where)
    flat, kinds = _flatten(data, tuple(shape), f"{where}.data")
    if not kinds <= TYPES[dtype.kind]:
        at = next(i for i, value in enumerate(flat) if type(value) not in TYPES[dtype.kind])
        got = "null" if flat[at] is None else f"a {type(flat[at]).__name__}"
        raise TensorError(f"element {at} is {got}, but the datatype is {datatype}", f"{where}.data[{at}]")
    if dtype.kind == "O":
        return _objects([value.encode() for value in flat], shape)
    if dtype.kind in "iu" and flat:
        limits = np.iinfo(dtype)
        if min(flat) < limits.min or max(flat) > limits.max:
            at = next(i for i, value in enumerate(flat) if not limits.min <= value <= limits.max)
            raise TensorError(
                f"element {at} is {str(flat[at])[:40]}, but {datatype} holds {limits.min} to {limits.max}",
                f"{where}.data[{at}]",
            )
    try:
        array = _floats(flat, dtype) if dtype.kind == "f" else np.array(flat, dtype=dtype)
    except OverflowError as error:
        raise TensorError(f"an element is too large for {datatype}", f"{where}.data") from error
    return _finite(array.reshape(shape), f"{where}.data")


def nested_shape(data: Any) -> list[int]:
    """The shape of nested lists by their first elements."""
    shape: list[int] = []
    while isinstance(data, list) and len(shape) < MAX_DIMENSIONS:
        shape.append(len(data))
        data = data[0] if data else None
    return shape


def stack(rows: Sequence[Array]) -> Array:
    """[N,...] of rows of one shape; TensorError where two differ."""
    for at, row in enumerate(rows):
        if row.shape != rows[0].shape or row.dtype != rows[0].dtype:
            raise TensorError(
                f"row {at} is {row.dtype.name} {list(row.shape)}, but row 0 is {rows[0].dtype.name}"
                f" {list(rows[0].shape)}; send rows of one kind",
                f"instances[{at}]",
            )
    return np.stack(rows)


def from_bytes(data: memoryview, datatype: str, shape: Sequence[int], where: str, *, finite: bool = True) -> Array:
    """Raw little-endian row-major bytes -> array (a view where they are aligned); with `finite`, of finite numbers."""
    dtype = _dtype(datatype, shape, where)
    if dtype.kind == "O":
        return _objects(_split_bytes(data, prod(shape), where), shape)
    needed = prod(shape) * dtype.itemsize
    if len(data) != needed:
        raise TensorError(
            f"binary_data_size is {len(data)}, but shape {list(shape)} of {datatype} takes {needed} bytes",
            f"{where}.parameters.binary_data_size",
        )
    if dtype.kind == "b" and len(data) and np.frombuffer(data, np.uint8).max() > 1:
        raise TensorError("a BOOL is a byte of 0 or 1, but other bytes are there", where)
    array = np.frombuffer(data, dtype).reshape(shape)
    array = array if array.flags.aligned else array.copy()
    return _finite(array, where) if finite else array


def to_json(tensor: Tensor) -> Array | list[str]:
    """What orjson writes as the flat `data`; NonFiniteOutput where JSON has no number for a value."""
    array = elements(tensor)
    if array.dtype.kind == "O":
        return [value.decode("utf-8", "replace") for value in array.tolist()]
    return array.astype(np.float32) if array.dtype == np.float16 else array


def elements(tensor: Tensor) -> Array:
    """The elements in row-major order; NonFiniteOutput where JSON has no number for one."""
    array = np.ascontiguousarray(tensor.array).reshape(-1)
    if _not_finite(array) is not None:
        raise NonFiniteOutput(
            f"output '{tensor.name}' holds a NaN or an infinity, which JSON cannot carry; ask for it with"
            " binary_data true",
            "outputs",
        )
    return array


def to_bytes(array: Array) -> bytes | memoryview:
    """Raw little-endian row-major bytes; BYTES as a uint32 length before each element."""
    if array.dtype.kind == "O":
        return b"".join(len(value).to_bytes(4, "little") + value for value in array.reshape(-1).tolist())
    little = np.asarray(array, DATATYPES[datatype_of(array.dtype)], order="C")
    return little.reshape(-1).view(np.uint8).data


def _dtype(datatype: str, shape: Sequence[int], where: str) -> np.dtype[Any]:
    if datatype not in DATATYPES:
        raise TensorError(
            f"datatype is {datatype[:40]!r}, but it must be one of {', '.join(DATATYPES)}", f"{where}.datatype"
        )
    if len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0:
        raise TensorError(
            f"shape has {len(shape)} dimensions or a negative one, but it must have at most {MAX_DIMENSIONS}, from 0",
            f"{where}.shape",
        )
    if (0 in shape or max(shape, default=0) > PLAIN) and prod(size or 1 for size in shape) > MAX_ELEMENTS:
        what = "has a 0 and sizes too large beside it; send an empty tensor of small sizes"
        raise TensorError(f"shape {what if 0 in shape else 'is larger than any array'}", f"{where}.shape")
    return DATATYPES[datatype]


def _flatten(data: Any, shape: tuple[int, ...], where: str) -> tuple[list[Any], set[type]]:
    """The elements in row-major order and their types, from a flat list or lists nested exactly as `shape` says."""
    if not isinstance(data, list):
        raise TensorError(f"data is a {type(data).__name__}, but it must be a list", where)
    count, kinds = prod(shape), _types(data)
    if list not in kinds:
        if len(data) != count:
            raise TensorError(f"data has {len(data)} elements, but shape {list(shape)} needs {count}", where)
        return data, kinds
    level: list[Any] = [data]
    for depth, size in enumerate(shape):
        for at, row in enumerate(level):
            if not isinstance(row, list) or len(row) != size:
                got = f"{len(row)} elements" if isinstance(row, list) else "not a list"
                index = "".join(f"[{i}]" for i in _unravel(at, shape[:depth]))
                raise TensorError(
                    f"data{index} is ragged: it has {got}, but shape {list(shape)} needs lists of {size} there",
                    where + index,
                )
        level = list(chain.from_iterable(level))
    return level, _types(level)


def _types(values: list[Any]) -> set[type]:
    """Of all values; as a rule they have one, and to count it is quicker than to hash each."""
    found = list(map(type, values))
    alike = not found or found.count(found[0]) == len(found)
    return set(found[:1] if alike else found)


def _floats(values: Sequence[float], dtype: np.dtype[Any]) -> Array:
    """As NumPy makes them; but it takes some times as long, for it looks what each of them is."""
    try:
        return np.frombuffer(struct.pack(f"<{len(values)}{dtype.char}", *values), dtype)
    except (OverflowError, struct.error):  # one is too large: of integers NumPy says so, of others it makes infinities
        with np.errstate(over="ignore"):
            return np.array(values, np.float64).astype(dtype)


def _unravel(at: int, shape: tuple[int, ...]) -> list[int]:
    index = []
    for size in reversed(shape):
        at, rest = divmod(at, size)
        index.append(rest)
    return index[::-1]


def _finite(array: Array, where: str) -> Array:
    if (at := _not_finite(array)) is not None:
        raise TensorError(
            f"element {at} is a NaN, an infinity or too large for {array.dtype.name}, but it must be a finite number",
            f"{where}[{at}]",
        )
    return array


def _not_finite(array: Array) -> int | None:
    """Where the first NaN or infinity is; None where there is none. `argmin` is some times as fast as `all`."""
    if array.dtype.kind != "f" or not array.size:
        return None
    finite = np.isfinite(array).reshape(-1)
    at = int(finite.argmin())
    return None if finite[at] else at


def _objects(values: list[bytes], shape: Sequence[int]) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(shape)


def _split_bytes(data: memoryview, count: int, where: str) -> list[bytes]:
    if count > MAX_TEXTS:
        raise TensorError(f"{count} BYTES are too many; at most {MAX_TEXTS} may be in one tensor", f"{where}.shape")
    values: list[bytes] = []
    at = 0
    while at < len(data) and len(values) < count:
        stop = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if at + 4 > len(data) or stop > len(data):
            break
        values.append(bytes(data[at + 4 : stop]))
        at = stop
    if at != len(data) or len(values) != count:
        raise TensorError(f"the BYTES data of {len(data)} bytes does not hold exactly {count} elements", where)
    return values
