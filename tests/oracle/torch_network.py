"""The same architecture in PyTorch: a module for each layer, run as the graph that `inputs` draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.model.random_networks import Case
from tests.model.sketch import Array

DROPOUT = 2  # the purpose in the key of dropout's random numbers
ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU}


class Masked(nn.Module):
    """Dropout with the mask that (seed, step, layer, microbatch) keys, for one microbatch."""

    def __init__(self, p: float, position: int, key: tuple[int, int]) -> None:
        super().__init__()
        self.p, self.position, self.key = p, position, key

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        counter = np.array([0, DROPOUT, self.position, 0], np.uint64)
        draw = np.random.Generator(np.random.Philox(key=np.array(self.key, np.uint64), counter=counter))
        keep = draw.random((*x.shape[1:], x.shape[0]), dtype=np.float32) >= self.p
        mask = torch.tensor(np.moveaxis(keep, -1, 0).copy(), dtype=x.dtype)
        return x * mask / (1 - self.p)


class Join(nn.Module):
    """add and concat."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        return torch.cat(xs, dim=1) if self.kind == "concat" else sum(xs[1:], xs[0])


class TorchNetwork(nn.Module):
    """The architecture's modules by position; `forward` gives every value by the layer's name."""

    def __init__(self, architecture: Mapping[str, Any], weights: Mapping[str, Array], key: tuple[int, int]) -> None:
        super().__init__()
        entries = architecture["layers"]
        self.names = [entry.get("name", str(position)) for position, entry in enumerate(entries)]
        previous = ["x", *self.names]
        self.sources = [entry.get("inputs", [previous[position]]) for position, entry in enumerate(entries)]
        parts = [
            module(entry, weights, name, position=position, key=key)
            for position, (name, entry) in enumerate(zip(self.names, entries, strict=True))
        ]
        self.parts = nn.ModuleList(parts)
        for name, part in zip(self.names, parts, strict=True):
            own = {key: torch.tensor(weights[f"{name}.{key}"]) for key in part.state_dict()}
            part.load_state_dict(own)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        values = {"x": x}
        for name, part, sources in zip(self.names, self.parts, self.sources, strict=True):
            values[name] = part(*(values[source] for source in sources))
        return values

    def named_tensors(self) -> dict[str, nn.Parameter]:
        """Parameters under the library's names."""
        pairs = zip(self.names, self.parts, strict=True)
        return {f"{name}.{key}": value for name, part in pairs for key, value in part.named_parameters()}

    def named_statistics(self) -> dict[str, torch.Tensor]:
        """Buffers under the library's names."""
        pairs = zip(self.names, self.parts, strict=True)
        return {f"{name}.{key}": value for name, part in pairs for key, value in part.named_buffers()}


def module(
    entry: Mapping[str, Any], weights: Mapping[str, Array], name: str, *, position: int = 0,
    key: tuple[int, int] = (0, 0), dtype: torch.dtype = torch.float64,
) -> nn.Module:  # fmt: skip
    """A layer as PyTorch has it; `position` and `key` are of dropout's random numbers."""
    kind = entry["type"]
    options = {
        k: tuple(v) if isinstance(v, list) else v for k, v in entry.items() if k not in ("type", "name", "inputs")
    }
    weight = weights.get(f"{name}.weight")
    if kind == "conv2d":
        assert weight is not None
        return nn.Conv2d(weight.shape[1] * options.get("groups", 1), dtype=dtype, **options)
    if kind == "linear":
        assert weight is not None
        return nn.Linear(weight.shape[1], dtype=dtype, **options)
    if kind == "batch_norm2d":
        return nn.BatchNorm2d(len(weights[f"{name}.running_mean"]), dtype=dtype, **options)
    if kind == "dropout":
        return Masked(options.get("p", 0.5), position, key)
    if kind in ("add", "concat"):
        return Join(kind)
    plain: dict[str, type[nn.Module]] = {
        "max_pool2d": nn.MaxPool2d,
        "avg_pool2d": nn.AvgPool2d,
        "leaky_relu": nn.LeakyReLU,
    }
    plain |= {"flatten": nn.Flatten} | ACTIVATIONS
    if kind == "global_avg_pool":
        return nn.AdaptiveAvgPool2d(1)
    return nn.Softmax(dim=1) if kind == "softmax" else plain[kind](**options)


LOSSES = {
    "cross_entropy": nn.CrossEntropyLoss,
    "mse": nn.MSELoss,
    "bce_with_logits": nn.BCEWithLogitsLoss,
    "l1": nn.L1Loss,
    "huber": nn.HuberLoss,
}


@dataclass(frozen=True)
class Answer:
    """What PyTorch says: outputs and loss, gradients, buffers after one forward in that mode; and every value."""

    results: dict[str, dict[str, Array]]  # by group: outputs, gradients, input, buffers
    values: dict[str, torch.Tensor]
    error: torch.Tensor  # logits - target where the loss compares values
    network: TorchNetwork


def answer(this: Case, dtype: torch.dtype = torch.float64, *, seed: int = 0) -> Answer:
    """Forward, loss and backward of a case."""
    network = TorchNetwork(this.architecture, this.weights, (seed, 0)).to(dtype).train(this.train)
    x = torch.tensor(this.x, dtype=dtype, requires_grad=True)
    y = torch.tensor(this.y) if this.y.ndim == 1 else torch.tensor(this.y, dtype=dtype)
    options = {key: value for key, value in this.loss.items() if key != "name"}
    values = network(x)
    logits = values[network.names[-1]]
    loss = LOSSES[this.loss["name"]](**options)(logits, y)
    loss.backward()
    assert x.grad is not None
    results = {
        "outputs": {"logits": logits.detach().numpy(), "loss": loss.detach().numpy().reshape(1)},
        "gradients": {f"grad/{k}": _numpy(v.grad) for k, v in network.named_tensors().items()},
        "input": {"grad/x": _numpy(x.grad)},
        "buffers": {k: v.numpy() for k, v in network.named_statistics().items()},
    }
    error = logits.detach() - y if y.ndim == 2 else torch.ones(1)
    return Answer(results, {name: value.detach() for name, value in values.items()}, error, network)


def _numpy(tensor: torch.Tensor | None) -> Array:
    assert tensor is not None
    return tensor.numpy()
