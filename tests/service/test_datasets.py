"""Datasets: immutable, byte for byte, and not removed while a job needs them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.service.calls import call, safetensors
from tests.service.specs import SIMPLE_CNN
from tests.service.stored import IMAGES, LABELS, ended, file


def test_a_dataset_comes_back_byte_for_byte(server: str, name: str) -> None:
    """Under its digest as ETag; the listing tells rows and size."""
    url = f"{server}/v2/datasets/{name}"
    put = call("PUT", url, file())
    assert put.status_code == 201
    got = call("GET", url)
    assert got.content == file()
    assert got.headers["ETag"] == f'"{put.json()["digest"]}"'
    assert call("GET", url, If_None_Match=got.headers["ETag"]).status_code == 304
    listed = {row["name"]: row for row in call("GET", f"{server}/v2/datasets").json()["datasets"]}
    assert listed[name] == put.json()
    assert (listed[name]["rows"], listed[name]["bytes"]) == (40, len(file()))


def test_a_dataset_is_immutable(server: str, name: str, key: str) -> None:
    """The same bytes 200, others 409; a repeat by key gets its first reply even after DELETE."""
    url = f"{server}/v2/datasets/{name}"
    first = call("PUT", url, file(), Idempotency_Key=key)
    assert call("PUT", url, file()).status_code == 200
    other = call("PUT", url, file(IMAGES, 1 - LABELS))
    assert (other.status_code, other.json()["code"]) == (409, "dataset_exists")
    assert call("DELETE", url).json() == {"name": name, "deleted": True}
    again = call("PUT", url, file(), Idempotency_Key=key)
    assert (again.status_code, again.content) == (201, first.content)
    gone = call("GET", url)
    assert (gone.status_code, gone.json()["code"]) == (404, "dataset_not_found")


def test_a_dataset_that_a_job_needs_stays(server: str, name: str) -> None:
    """DELETE is 409 until the job has ended."""
    call("PUT", f"{server}/v2/models/{name}", SIMPLE_CNN)
    call("PUT", f"{server}/v2/datasets/{name}", file())
    fit = {"dataset": name, "epochs": 100_000, "batch_size": 1}
    job = call("POST", f"{server}/v2/models/{name}/fit", fit).json()["job"]
    refused = call("DELETE", f"{server}/v2/datasets/{name}")
    call("POST", f"{server}/v2/jobs/{job}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    ended(server, job)
    assert call("DELETE", f"{server}/v2/datasets/{name}").status_code == 200


def header(**tensors: tuple[str, Any]) -> bytes:
    """A file of zeros with these dtypes and arrays' shapes."""
    described, start = {}, 0
    for name, (dtype, array) in tensors.items():
        described[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [start, start + array.nbytes]}
        start += array.nbytes
    return safetensors(described, b"".join(array.tobytes() for _, array in tensors.values()))


ROWS, Y = np.zeros((2, 1, 4, 4), np.float32), np.zeros(2, np.int64)
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "no safetensors": (lambda: b"hello", "does_not_fit"),
    "a lying header": (lambda: file()[:-1], "does_not_fit"),
    "no y": (lambda: header(x=("F32", ROWS)), "x and y"),
    "one tensor more": (lambda: header(x=("F32", ROWS), y=("I64", Y), z=("I64", Y)), "x, y, z"),
    "x of three axes": (lambda: header(x=("F32", ROWS[0]), y=("I64", Y)), "[1, 4, 4]"),
    "x of integers": (lambda: header(x=("I64", ROWS.astype(np.int64)), y=("I64", Y)), "int64"),
    "no rows": (lambda: header(x=("F32", ROWS[:0]), y=("I64", Y[:0])), "N of at least 1"),
    "other numbers of rows": (lambda: header(x=("F32", ROWS), y=("I64", Y[:1])), "integers [2]"),
    "NaN": (lambda: header(x=("F32", ROWS * np.nan), y=("I64", Y)), "NaN"),
    "NaN as target": (lambda: header(x=("F32", ROWS), y=("F32", ROWS[:, 0, 0, :2] * np.nan)), "NaN"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_told_and_not_kept(server: str, name: str, bad: tuple[Callable[[], bytes], str]) -> None:
    """400, and there is no such dataset."""
    reply = call("PUT", f"{server}/v2/datasets/{name}", bad[0]())
    assert reply.status_code == 400
    assert bad[1] in reply.text
    assert call("GET", f"{server}/v2/datasets/{name}").status_code == 404
