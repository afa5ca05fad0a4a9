"""Safetensors files that lie, sent as weights and as datasets."""

import json

import pytest

from tests.harm.service import Target
from tests.model.safetensors_files import entry, file
from tests.model.test_safetensors_damage import LIES

MORE: dict[str, bytes] = {
    "a header of 2**63": (1 << 63).to_bytes(8, "little") + b"{}",
    "a header as long as the file": (10).to_bytes(8, "little") + b"{}",
    "a header of 9 MiB": file({"__metadata__": {"a": "b" * (9 << 20)}}),
    "150,000 empty tensors": file({f"t{i}": entry([0], [0, 0]) for i in range(150_000)}, b""),
    "deep in metadata": file(b'{"__metadata__":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "objects, deep": file(b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "a shape of 10**5000": file(b'{"a":{"dtype":"F32","shape":[1' + b"0" * 5000 + b'],"data_offsets":[0,4]}}'),
    "offsets of 10**400": file(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1' + b"0" * 400 + b"]}}"),
    "offsets of 2**64": file({"a": entry([1], [(1 << 64) - 4, 1 << 64])}),
    "offsets that wrap": file({"a": entry([1], [(1 << 64) - 4, 0])}),
    "NaN for a size": file(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}'),
    "1e400 for an offset": file(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1e400]}}'),
    "a name of 1 MiB": file({"n" * (1 << 20): entry()}),
    "a name that is a path": file({"../../outside/secret": entry()}),
    "a dtype that is a pickle": file({"a": entry(dtype="O")}),
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "a zip": b"PK\x03\x04" + bytes(100),
    "an HDF5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "a byte order mark": file(b"\xef\xbb\xbf{}", b""),
    "UTF-16": file(json.dumps({"a": entry()}).encode("utf-16")),
    "a lone surrogate": file(b'{"\\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
    "a null in a name": file({"a\0b": entry()}),
}


@pytest.mark.parametrize("raw", [*(raw for raw, _ in LIES.values()), *MORE.values()], ids=[*LIES, *MORE])
def test_a_lying_file_is_refused(attacked: Target, raw: bytes) -> None:
    """400, as weights, as a dataset, and compressed or not nothing of it is kept."""
    for path in ("/v2/models/m/weights", "/v2/datasets/d"):
        attacked.check_refused(attacked.ask("PUT", path, raw), (400,), sent="../../outside/secret")


def test_no_file_takes_memory(attacked: Target) -> None:
    """Not a header of many entries either."""
    for name in ("a header of 9 MiB", "150,000 empty tensors", "a name of 1 MiB"):
        for _ in range(3):
            attacked.check_refused(attacked.ask("PUT", "/v2/datasets/d", MORE[name]), (400,))
    assert attacked.peak() < 800 << 20
