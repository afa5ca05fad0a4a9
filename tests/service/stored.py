"""Datasets and jobs over plain HTTP."""

import time
from typing import Any

import numpy as np

from tests.service.calls import call, safetensors

IMAGES = (np.arange(40 * 16) * 7 % 251).astype(np.uint8).reshape(40, 1, 4, 4)
LABELS = (np.arange(40) % 2).astype(np.int64)


def file(x: Any = IMAGES, y: Any = LABELS) -> bytes:
    """A dataset's file: x uint8, y int64."""
    header = {
        "y": {"dtype": "I64", "shape": list(y.shape), "data_offsets": [0, y.nbytes]},
        "x": {"dtype": "U8", "shape": list(x.shape), "data_offsets": [y.nbytes, y.nbytes + x.nbytes]},
    }
    return safetensors(header, y.tobytes() + x.tobytes())


def ended(server: str, job: str, seconds: float = 30) -> dict[str, Any]:
    """The job when it has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found: dict[str, Any] = call("GET", f"{server}/v2/jobs/{job}").json()
        if found["state"] not in ("queued", "running"):
            return found
        time.sleep(0.02)
    raise AssertionError(f"job {job} has not ended after {seconds} s: {found}")


def train_body(**options: Any) -> dict[str, Any]:
    """The same rows for the verb train."""
    x = {"name": "x", "shape": list(IMAGES.shape), "datatype": "UINT8", "data": IMAGES.ravel().tolist()}
    y = {"name": "y", "shape": list(LABELS.shape), "datatype": "INT64", "data": LABELS.tolist()}
    return {"inputs": [x, y], **options}
