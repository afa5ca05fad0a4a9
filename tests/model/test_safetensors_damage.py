"""Safetensors files that lie, or were damaged."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convserve_model import SafetensorsError
from convserve_model.safetensors import deserialize, serialize
from tests.model.safetensors_files import entry, file

LIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "at least 8 bytes"),
    "too short": (b"\1\0\0\0\0\0\0", "at least 8 bytes"),
    "longer than the file": ((100).to_bytes(8, "little") + b"{}", "claims 100 bytes.*only 2"),
    "longer than memory": (b"\xff" * 8 + b"{}", "claims 18446744073709551615"),
    "cut off": (file({"a": entry()})[:-1], "in 3 bytes of data"),
    "not JSON": (file(b"{a}"), "not JSON"),
    "empty header": (file(b"", b""), "not JSON"),
    "not UTF-8": (file(b"\xff\xfe"), "not JSON"),
    "nested too deep": (file(b"[" * 100_000), "not JSON"),
    "a digit too many": (file(b'{"a":' + b"9" * 5000 + b"}"), "not JSON"),
    "a list": (file([]), "JSON object"),
    "a number for a tensor": (file({"a": 1}), "exactly dtype, shape and data_offsets"),
    "no shape": (file({"a": {"dtype": "F32", "data_offsets": [0, 4]}}), "exactly dtype, shape and data_offsets"),
    "one field more": (file({"a": entry(extra=1)}), "exactly dtype, shape and data_offsets"),
    "unknown dtype": (file({"a": entry(dtype="F31")}), "'F31'.*known are"),
    "dtype is a list": (file({"a": entry(dtype=["F32"])}), "known are"),
    "wrong dtype": (file({"a": entry(dtype="F64")}), "needs 8 bytes"),
    "shape of another size": (file({"a": entry([2])}), "needs 8 bytes"),
    "shape that overflows": (file({"a": entry([1 << 40, 1 << 40])}), "needs"),
    "shape of nothing that overflows": (file({"a": entry([0, 1 << 61], [0, 0])}, b""), "larger than any array"),
    "another such shape": (file({"a": entry([1 << 40, 0, 1 << 40], [0, 0])}, b""), "larger than any array"),
    "shape of BF16 that overflows": (file({"a": entry([0, 1 << 61], [0, 0], "BF16")}, b""), "larger than any array"),
    "negative shape": (file({"a": entry([-1])}), "integers from 0"),
    "fractional shape": (file({"a": entry([1.0])}), "integers from 0"),
    "true for a size": (file({"a": entry([True])}), "integers from 0"),
    "too many axes": (file({"a": entry([1] * 65)}), "integers from 0"),
    "shape is a number": (file({"a": entry(1)}), "integers from 0"),
    "three offsets": (file({"a": entry(offsets=[0, 4, 8])}), "integers from 0"),
    "negative offset": (file({"a": entry(offsets=[-4, 0])}), "integers from 0"),
    "backwards": (file({"a": entry(offsets=[4, 0])}), "needs 4 bytes"),
    "out of range": (file({"a": entry(offsets=[4, 8])}), "needs 4 bytes"),
    "overlap": (file({"a": entry(), "b": entry()}), "starts at byte 0, but the one before it ends at 4"),
    "partial overlap": (file({"a": entry(), "b": entry(offsets=[2, 6])}, bytes(6)), "starts at byte 2"),
    "a hole at the start": (file({"a": entry(offsets=[4, 8])}, bytes(8)), "starts at byte 4"),
    "a hole between": (file({"a": entry(), "b": entry(offsets=[8, 12])}, bytes(12)), "starts at byte 8"),
    "left over": (file({"a": entry()}, bytes(5)), "has 5 bytes, but the tensors cover 4"),
    "nothing, but data": (file({}), "tensors cover 0"),
    "a name twice": (file(b'{"a":%b,"a":%b}' % ((json.dumps(entry()).encode(),) * 2)), "twice"),
    "a field twice": (file(b'{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}'), "twice"),
    "metadata is a list": (file({"__metadata__": [], "a": entry()}), "__metadata__ must map"),
    "metadata of numbers": (file({"__metadata__": {"step": 1}, "a": entry()}), "__metadata__ must map"),
}


@pytest.mark.parametrize(("raw", "said"), LIES.values(), ids=LIES)
def test_lying_headers_are_refused(raw: bytes, said: str) -> None:
    """SafetensorsError says what is wrong, before anything of the claimed size is allocated."""
    with pytest.raises(SafetensorsError, match=said):
        deserialize(raw)


GOOD = b"".join(serialize({"conv.weight": np.ones((2, 3), np.float32), "n": np.array(3)}, {"step": "1"}))
HEADER = 8 + int.from_bytes(GOOD[:8], "little")
DAMAGE = st.lists(st.tuples(st.integers(0, HEADER + 8), st.integers(0, 255)), min_size=1, max_size=4)


@settings(max_examples=400)
@given(DAMAGE, st.integers(0, len(GOOD)))
def test_damage_is_refused_or_valid(damage: list[tuple[int, int]], keep: int) -> None:
    """Flipped bytes and cut files give SafetensorsError or tensors, never another exception."""
    raw = bytearray(GOOD)
    for at, value in damage:
        raw[at] = value
    for candidate in (raw, raw[:keep]):
        try:
            tensors, metadata = deserialize(candidate)
        except SafetensorsError:
            continue
        assert all(isinstance(array, np.ndarray) for array in tensors.values())
        assert all(isinstance(value, str) for value in metadata.values())


@settings(max_examples=150)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["a", "dtype", "shape", "data_offsets", "__metadata__"]), inner, max_size=4
            )
        ),
    )
)
def test_any_json_is_refused_or_valid(header: Any) -> None:
    """Headers of any form give SafetensorsError or tensors, never another exception."""
    try:
        deserialize(file(header, b""))
    except SafetensorsError:
        return
