"""LeNet-5 behind Flask, in PyTorch: `infer` and `train` in the JSON of the Open Inference Protocol V2."""

from functools import cache
from threading import Lock
from typing import Any

import torch
from flask import Flask, request
from lenet5 import lenet5
from safetensors.torch import load_file
from torch import Tensor, nn

DTYPES = {"FP32": torch.float32, "INT64": torch.int64}


def create_app(weights: str, learning_rate: float, momentum: float) -> Flask:
    """The service with the weights of a safetensors file."""
    torch.set_num_threads(1)
    app, network, loss, lock = Flask(__name__), lenet5(), nn.CrossEntropyLoss(), Lock()
    network.load_state_dict(load_file(weights))

    @cache
    def optimizer() -> torch.optim.SGD:
        """Made for the first step: it has PyTorch import much that a prediction can do without."""
        return torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=momentum)

    @app.post("/v2/models/lenet5/infer")
    def infer() -> dict[str, Any]:
        with torch.inference_mode():
            return outputs("logits", network(inputs()["x"]))

    @app.post("/v2/models/lenet5/train")
    def train() -> dict[str, Any]:
        tensors = inputs()
        with lock:
            optimizer().zero_grad()
            found = loss(network(tensors["x"]), tensors["y"])
            found.backward()
            optimizer().step()
        return outputs("loss", found.detach().reshape(1))

    return app


def inputs() -> dict[str, Tensor]:
    """The tensors of the request."""
    return {
        one["name"]: torch.tensor(one["data"], dtype=DTYPES[one["datatype"]]).reshape(one["shape"])
        for one in request.get_json()["inputs"]
    }


def outputs(name: str, tensor: Tensor) -> dict[str, Any]:
    """A reply with one tensor."""
    one = {"name": name, "datatype": "FP32", "shape": list(tensor.shape), "data": tensor.flatten().tolist()}
    return {"model_name": "lenet5", "outputs": [one]}
