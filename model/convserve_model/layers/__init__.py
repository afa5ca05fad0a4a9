"""The layers by the name that an architecture calls them: PyTorch's module names in snake case."""

from typing import Any

from convserve_model.layers.activations import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh
from convserve_model.layers.conv import Conv2d
from convserve_model.layers.linear import Linear
from convserve_model.layers.normalization import BatchNorm2d
from convserve_model.layers.pooling import AvgPool2d, GlobalAvgPool, MaxPool2d
from convserve_model.layers.structure import Add, Concat, Dropout, Flatten

LAYERS: dict[str, type[Any]] = {
    "conv2d": Conv2d,
    "linear": Linear,
    "max_pool2d": MaxPool2d,
    "avg_pool2d": AvgPool2d,
    "global_avg_pool": GlobalAvgPool,
    "batch_norm2d": BatchNorm2d,
    "dropout": Dropout,
    "flatten": Flatten,
    "add": Add,
    "concat": Concat,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "gelu": GELU,
    "silu": SiLU,
    "softmax": Softmax,
}

__all__ = ["LAYERS"]
