"""What both services are asked, to the byte, and what they answer: JSON of the Open Inference Protocol V2."""

import json
from functools import cache

from bench.connections import Call
from bench.stores import MODEL
from convserve_client.samples import digits
from convserve_wire import paths
from convserve_wire.tensors import Array

STEPS, BATCH = 10, 64


@cache
def predicting() -> Call:
    """The logits of one digit."""
    return _call(paths.INFER, x=_pixels(1))


@cache
def training() -> Call:
    """A step on a batch of digits."""
    return _call(paths.TRAIN, x=_pixels(BATCH), y=digits().train_labels[:BATCH].astype("int64"))


def answer(body: bytes) -> list[float]:
    """The numbers of the one tensor in a reply."""
    (output,) = json.loads(body)["outputs"]
    return [float(value) for value in output["data"]]


def _pixels(rows: int) -> Array:
    """[N,1,28,28], from 0 to 1."""
    return digits().train_images[:rows].astype("float32") / 255


def _call(path: str, **tensors: Array) -> Call:
    datatypes = {"float32": "FP32", "int64": "INT64"}
    inputs = [
        {"name": name, "shape": array.shape, "datatype": datatypes[array.dtype.name], "data": array.ravel().tolist()}
        for name, array in tensors.items()
    ]
    body = json.dumps({"inputs": inputs}).encode()
    return Call("POST", paths.fill(path, model=MODEL), body, {"Content-Type": "application/json"})
