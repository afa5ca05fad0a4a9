"""The safetensors format: round trips, order, alignment."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convserve_model.safetensors import DTYPES, deserialize, serialize
from tests.model.safetensors_files import entry, file
from tests.model.sketch import Array

KINDS = [np.dtype(code) for name, code in DTYPES.items() if name != "BF16"]
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda name: name != "__metadata__")


@st.composite
def arrays(draw: st.DrawFn) -> Array:
    """Any dtype, any shape with 0 to 4 axes, any bits."""
    dtype = draw(st.sampled_from(KINDS))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    size = int(np.prod(shape, dtype=np.int64))
    if dtype.kind == "b":
        return np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool).reshape(shape)
    raw = draw(st.binary(min_size=size * dtype.itemsize, max_size=size * dtype.itemsize))
    return np.frombuffer(raw, dtype).reshape(shape)


@settings(max_examples=150)
@given(st.dictionaries(NAMES, arrays(), max_size=6), st.dictionaries(NAMES, NAMES, max_size=3), st.integers(0, 8))
def test_files_round_trip(tensors: dict[str, Array], metadata: dict[str, str], shift: int) -> None:
    """Names, shapes, dtypes, every bit and the metadata come back, wherever the buffer lies; views are read-only."""
    file = b"".join(serialize(tensors, metadata))
    found, said = deserialize(memoryview(b"\0" * shift + file)[shift:])
    assert said == metadata
    assert set(found) == set(tensors)
    for name, array in tensors.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
        assert not found[name].flags.writeable
    assert b"".join(serialize(tensors, metadata)) == file


def test_the_reference_implementation_reads_our_files_and_we_its() -> None:
    """Against the `safetensors` package, both ways."""
    reference = pytest.importorskip("safetensors.numpy")
    tensors = {kind.name: np.arange(6).astype(kind).reshape(2, 3) for kind in KINDS if kind.kind != "b"}
    theirs = reference.load(b"".join(serialize(tensors, {"step": "3"})))
    ours, metadata = deserialize(reference.save(tensors, {"step": "3"}))
    assert metadata == {"step": "3"}
    for name, array in tensors.items():
        np.testing.assert_array_equal(theirs[name], array)
        np.testing.assert_array_equal(ours[name], array)


def test_our_files_are_aligned() -> None:
    """Data starts at a multiple of 64, larger item sizes first, so that no tensor of ours is ever copied."""
    tensors: dict[str, Array] = {
        "a": np.zeros(3, np.uint8),
        "b": np.zeros(3),
        "c": np.zeros((), np.float16),
        "d": np.zeros(3, np.float32),
    }
    file = np.frombuffer(b"".join(serialize(tensors, {})), np.uint8)
    assert (8 + int.from_bytes(file[:8].tobytes(), "little")) % 64 == 0
    assert all(np.shares_memory(array, file) for array in deserialize(file.data)[0].values())


def test_strided_and_big_endian_arrays_are_written_in_order() -> None:
    """What is stored are the values, little-endian and row by row."""
    array = np.arange(12, dtype=">f4").reshape(3, 4).T
    found, _ = deserialize(b"".join(serialize({"a": array}, {})))
    np.testing.assert_array_equal(found["a"], array)


def test_bf16_becomes_float32() -> None:
    """The upper half of a float32's bits."""
    bits = (np.array([1.0, -2.5, 0.0], np.float32).view(np.uint32) >> 16).astype("<u2")
    found, _ = deserialize(file({"a": entry([3], [0, 6], "BF16")}, bits.tobytes()))
    np.testing.assert_array_equal(found["a"], np.array([1.0, -2.5, 0.0], np.float32))
