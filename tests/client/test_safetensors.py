"""Our reader and writer of safetensors against the format's own library; damaged files are one kind of error."""

import json
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from convserve_client import ConvserveError, ReplyError
from convserve_client.safetensors import NAMES, load, save

ARRAYS = {
    **{f"of-{dtype}": np.arange(6).reshape(2, 3).astype(dtype) for dtype in NAMES},
    "scalar": np.array(7, np.int64),
    "empty": np.zeros((0, 3), np.float32),
    "turned": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "big-endian": np.arange(3, dtype=">f4"),
}


def same(found: dict[str, Any]) -> None:
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].shape == array.shape
        assert found[name].dtype == array.dtype.newbyteorder("=")
        assert np.array_equal(found[name], array)


def test_their_library_reads_ours() -> None:
    """Every dtype, a scalar, no elements, any memory order."""
    same(safetensors.numpy.load(save(ARRAYS)))


def test_we_read_theirs_and_ours() -> None:
    """The same arrays, writable."""
    plain = {name: np.array(array, array.dtype.newbyteorder("="), order="C") for name, array in ARRAYS.items()}
    for data in (safetensors.numpy.save(plain, {"format": "np"}), save(ARRAYS)):
        found = load(data)
        same(found)
        assert all(array.flags.writeable for array in found.values())


@pytest.mark.parametrize("array", [np.zeros(2, complex), np.array(["a"]), np.array([None])])
def test_a_dtype_without_a_name_is_refused(array: Any) -> None:
    """The error names the array."""
    with pytest.raises(ConvserveError, match="'odd'"):
        save({"odd": array})


def described(header: Any, data: bytes = b"\0" * 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def one(**changed: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changed}}


BROKEN = {
    "nothing": b"",
    "half a length": b"\1\0\0",
    "a header longer than the file": (99).to_bytes(8, "little") + b"{}",
    "a huge header": b"\xff" * 16,
    "no JSON": described(b"what"),
    "no object": described([]),
    "deep": described(b"[" * 100_000),
    "an entry that is none": described({"a": 3}),
    "an unknown dtype": described(one(dtype="F8_E5M2")),
    "a shape that does not fit": described(one(shape=[3])),
    "a negative shape": described(one(shape=[-1, -2])),
    "a shape of texts": described(one(shape=["2"])),
    "a text for a shape": described(one(shape="2")),
    "an empty text for a shape": described(one(shape="", data_offsets=[0, 4]), b"\0" * 4),
    "an object for a shape": described(one(shape={}, data_offsets=[0, 4]), b"\0" * 4),
    "no shape": described(one(shape=None)),
    "a shape of 100,000 texts": described(one(shape=["a"] * 100_000)),
    "a shape of 100,000 sizes": described(one(shape=[1] * 100_000)),
    "a dtype of 100,000 letters": described(one(dtype="F" * 100_000)),
    "offsets beyond the end": described(one(data_offsets=[0, 16], shape=[4])),
    "offsets before the start": described(one(data_offsets=[-8, 0])),
    "three offsets": described(one(data_offsets=[0, 4, 8])),
    "a hole": described(one(data_offsets=[8, 16]), b"\0" * 16),
    "an overlap": described({**one(), "b": one()["a"]}),
    "data left over": described(one(), b"\0" * 9),
    "a member too many": described(one(more=1)),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_damaged_file_is_one_kind_of_error(data: bytes) -> None:
    """Never an array of other bytes, never an error of Python's, and a sentence however much is wrong."""
    with pytest.raises(ReplyError, match="not a safetensors file") as caught:
        load(data)
    assert len(str(caught.value)) < 300


@given(st.data())
def test_any_damage_is_an_error_or_arrays(data: st.DataObject) -> None:
    """One byte changed anywhere: arrays that are all of the file, or ReplyError."""
    whole = bytearray(save({"a": np.arange(3, dtype=np.float32), "b": np.arange(2, dtype=np.uint8)}))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = load(bytes(whole))
    except ReplyError:
        return
    assert sum(array.nbytes for array in found.values()) == 14
