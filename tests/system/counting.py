"""A model that counts: every parameter of version v is v, so that a reply made of two versions shows.

All sums are integers below 2**24, exact in float32, for versions up to 300.
"""

from typing import Any

import numpy as np
import requests
from safetensors.numpy import load, save

from tests.service.calls import call, tensor

CHANNELS, CLASSES, PIXELS = 4, 32, 16
SHAPES = {
    "conv.weight": (CHANNELS, 1, 1, 1),
    "conv.bias": (CHANNELS,),
    "fc.weight": (CLASSES, CHANNELS * PIXELS),
    "fc.bias": (CLASSES,),
}
SPECIFICATION: dict[str, Any] = {
    "architecture": {
        "input": [1, 4, 4],
        "layers": [
            {"type": "conv2d", "name": "conv", "out_channels": CHANNELS, "kernel_size": 1},
            {"type": "flatten"},
            {"type": "linear", "name": "fc", "out_features": CLASSES},
        ],
    },
    "training": {"optimizer": {"name": "sgd", "learning_rate": 1.0}},
}
ONES = tensor("x", [1.0] * PIXELS, [1, 1, 4, 4], "FP32")
INFER = {"inputs": [ONES]}
GRADIENTS = {
    "inputs": [ONES, tensor("cotangent", [1.0] * CLASSES, [1, CLASSES], "FP32")],
    "outputs": [{"name": "grad/conv.bias"}, {"name": "grad/fc.weight"}],
}
STEP = {
    "inputs": [
        tensor(f"grad/{name}", np.full(shape, -1.0).ravel().tolist(), list(shape), "FP32")
        for name, shape in SHAPES.items()
    ]
}
TRAIN = {"inputs": [ONES, tensor("y", [0], [1], "INT64")], "optimizer": {"learning_rate": 0.001}}


def create(server: str, name: str) -> str:
    """The address of a new model at version 2, the first one that counts."""
    url = f"{server}/v2/models/{name}"
    call("PUT", url, SPECIFICATION).raise_for_status()
    put(url, 2).raise_for_status()
    return url


def weights(value: float) -> bytes:
    """The weights file in which every parameter is `value`."""
    return bytes(save({name: np.full(shape, value, np.float32) for name, shape in SHAPES.items()}))


def put(url: str, value: int, **headers: str) -> requests.Response:
    """Make a version whose parameters all are `value`."""
    return call("PUT", f"{url}/weights", weights(value), **headers)


def counted(file: bytes) -> int:
    """The one value of all parameters of a weights file; AssertionError where there are two."""
    tensors = load(file)
    assert {name: array.shape for name, array in tensors.items()} == SHAPES
    values = {float(value) for array in tensors.values() for value in np.unique(array)}
    assert len(values) == 1, f"one reply holds {values}"
    return int(values.pop())


def logits(version: int) -> float:
    """What infer answers for ones, in every class."""
    return float(CHANNELS * PIXELS * 2 * version * version + version)


def gradients(version: int) -> dict[str, float]:
    """What gradients answers for ones, in every element."""
    return {"grad/conv.bias": float(CLASSES * PIXELS * version), "grad/fc.weight": 2.0 * version}


def outputs(reply: requests.Response) -> dict[str, set[float]]:
    """The values that each output of a reply holds."""
    return {output["name"]: set(output["data"]) for output in reply.json()["outputs"]}


def number(reply: requests.Response) -> int:
    """The version that a reply names in its header."""
    return int(reply.headers["Convserve-Model-Version"])
