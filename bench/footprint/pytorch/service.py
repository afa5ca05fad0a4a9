"""LeNet-5 behind Flask, in PyTorch: `infer` and `train` in the JSON of the Open Inference Protocol V2."""

from collections import OrderedDict
from functools import cache
from threading import Lock
from typing import Any

import torch
from flask import Flask, request
from safetensors.torch import load_file
from torch import Tensor, nn

DTYPES = {"FP32": torch.float32, "INT64": torch.int64}


def lenet5() -> nn.Sequential:
    """[N,1,28,28] to [N,10]."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 6, 5, padding=2), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2), flatten=nn.Flatten(),
            fc1=nn.Linear(400, 120), relu3=nn.ReLU(), fc2=nn.Linear(120, 84), relu4=nn.ReLU(), fc3=nn.Linear(84, 10),
        )
    )  # fmt: skip


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
