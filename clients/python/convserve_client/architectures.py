"""Well-known networks as the JSON that creates them."""

from collections.abc import Callable
from typing import Any

Architecture = dict[str, Any]
RELU = {"type": "relu"}
POOL = {"type": "max_pool2d", "kernel_size": 2}
FLATTEN = {"type": "flatten"}


def conv(name: str, out_channels: int, kernel_size: int, padding: int = 0) -> dict[str, Any]:
    return {
        "type": "conv2d",
        "name": name,
        "out_channels": out_channels,
        "kernel_size": kernel_size,
        "padding": padding,
    }


def linear(name: str, out_features: int) -> dict[str, Any]:
    return {"type": "linear", "name": name, "out_features": out_features}


def lenet5(classes: int = 10, input: tuple[int, int, int] = (1, 28, 28)) -> Architecture:
    """LeNet-5 (LeCun et al., 1998) with ReLU and max-pooling, as it is written today."""
    layers = [
        conv("conv1", 6, 5, padding=2), RELU, POOL, conv("conv2", 16, 5), RELU, POOL, FLATTEN,
        linear("fc1", 120), RELU, linear("fc2", 84), RELU, linear("fc3", classes),
    ]  # fmt: skip
    return {"input": list(input), "layers": layers}


def mnist_cnn(classes: int = 10, input: tuple[int, int, int] = (1, 28, 28)) -> Architecture:
    """Two 3x3 convolutions of 32 and 64 channels, dropout, and two linear layers."""
    layers = [
        conv("conv1", 32, 3, padding=1), RELU, POOL, conv("conv2", 64, 3, padding=1), RELU, POOL, FLATTEN,
        linear("fc1", 128), RELU, {"type": "dropout", "p": 0.5}, linear("fc2", classes),
    ]  # fmt: skip
    return {"input": list(input), "layers": layers}


def simple_cnn(classes: int = 2, input: tuple[int, int, int] = (1, 4, 4)) -> Architecture:
    """One convolution and one linear layer: small enough to follow with pencil and paper."""
    return {"input": list(input), "layers": [conv("conv", 2, 3, padding=1), RELU, POOL, FLATTEN, linear("fc", classes)]}


TEMPLATES: dict[str, Callable[..., Architecture]] = {
    "lenet5": lenet5,
    "mnist-cnn": mnist_cnn,
    "simple-cnn": simple_cnn,
}
