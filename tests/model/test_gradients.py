"""Every layer, loss and option against central differences."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from convserve_model import LAYERS, LOSSES, Network, Training
from tests.model.gradients import Objective, apart, check_gradients, weights_of
from tests.model.sketch import Draw


@dataclass(frozen=True)
class Row:
    """Layers on an image [C,H,W]; `flatten` is put behind them where they end in an image."""

    layers: list[dict[str, Any]]
    image: tuple[int, int, int] = (2, 5, 4)
    n: int = 3
    train: bool = False
    flat: bool = False  # the layers end flat


def one(kind: str, *, image: tuple[int, int, int] = (2, 5, 4), n: int = 3, train: bool = False, **options: Any) -> Row:
    return Row([{"type": kind, "name": "layer", **options}], image, n, train)


def conv(image: tuple[int, int, int] = (2, 6, 5), n: int = 3, **options: Any) -> Row:
    return one("conv2d", image=image, n=n, **{"out_channels": 4, "kernel_size": 3, **options})


FLAT = {"type": "flatten"}
LINEAR = {"type": "linear", "name": "fc", "out_features": 5}
CONV = {"type": "conv2d", "name": "conv", "out_channels": 3, "kernel_size": 3, "padding": 1}
NORM = {"type": "batch_norm2d", "name": "bn"}
ROWS: dict[str, Row] = {
    "conv2d": conv(),
    "conv2d, stride": conv(stride=2),
    "conv2d, stride pair": conv(stride=[1, 3]),
    "conv2d, padding": conv(padding=1),
    "conv2d, padding beyond the kernel": conv(padding=[4, 0]),
    "conv2d, dilation": conv(dilation=[2, 1]),
    "conv2d, kernel pair": conv(kernel_size=[1, 4]),
    "conv2d, kernel 1": conv(kernel_size=1),
    "conv2d, groups": conv(image=(4, 5, 5), groups=2),
    "conv2d, depthwise": conv(image=(4, 5, 5), groups=4, stride=2, padding=1),
    "conv2d, depthwise with multiplier": conv(image=(2, 5, 5), groups=2),
    "conv2d, no bias": conv(bias=False),
    "conv2d, all": conv(image=(4, 7, 6), groups=2, stride=[2, 1], padding=[2, 1], dilation=[1, 2], kernel_size=[3, 2]),
    "conv2d, uneven microbatches": conv(n=70),
    "linear": Row([FLAT, LINEAR], flat=True),
    "linear, no bias": Row([FLAT, {**LINEAR, "bias": False}], flat=True),
    "linear, uneven microbatches": Row([FLAT, LINEAR], image=(1, 3, 2), n=50, flat=True),
    "flatten": Row([FLAT], flat=True),
    "max_pool2d": one("max_pool2d", kernel_size=2),
    "max_pool2d, overlap": one("max_pool2d", kernel_size=3, stride=1),
    "max_pool2d, pairs": one("max_pool2d", image=(2, 7, 6), kernel_size=[3, 2], stride=[2, 1], padding=[1, 0]),
    "max_pool2d, dilation": one("max_pool2d", image=(2, 7, 6), kernel_size=2, stride=1, dilation=[2, 3]),
    "max_pool2d, down alone": Row([CONV, {"type": "max_pool2d", "kernel_size": [3, 1], "stride": [2, 1]}], (2, 9, 5)),
    "max_pool2d, down behind batch norm": Row([CONV, NORM, {"type": "max_pool2d", "kernel_size": [2, 1]}], (2, 6, 4)),
    "avg_pool2d": one("avg_pool2d", kernel_size=2),
    "avg_pool2d, overlap and padding": one("avg_pool2d", kernel_size=3, stride=[1, 2], padding=1),
    "avg_pool2d, pairs": one("avg_pool2d", image=(2, 7, 6), kernel_size=[3, 2], stride=[2, 3], padding=[0, 1]),
    "global_avg_pool": one("global_avg_pool"),
    "batch_norm2d, eval": one("batch_norm2d"),
    "batch_norm2d, eval, no affine": one("batch_norm2d", affine=False, eps=1e-3),
    "batch_norm2d, train": one("batch_norm2d", train=True),
    "batch_norm2d, train, no affine": one("batch_norm2d", affine=False, train=True),
    "batch_norm2d, train, momentum null": one("batch_norm2d", momentum=None, train=True),
    "batch_norm2d, train, uneven microbatches": one("batch_norm2d", image=(2, 2, 2), n=70, train=True),
    "batch_norm2d, two, train": Row([
        CONV | {"bias": False}, NORM, CONV | {"name": "b", "bias": False}, NORM | {"name": "bn2"}], n=50, train=True,
    ),
    "dropout, eval": one("dropout", p=0.4),
    "dropout, train": one("dropout", p=0.4, train=True),
    "dropout, train, uneven microbatches": one("dropout", image=(1, 2, 2), p=0.5, n=60, train=True),
    "relu": one("relu"),
    "leaky_relu": one("leaky_relu"),
    "leaky_relu, slope": one("leaky_relu", negative_slope=-0.3),
    "sigmoid": one("sigmoid"),
    "tanh": one("tanh"),
    "gelu": one("gelu"),
    "silu": one("silu"),
    "softmax over channels": one("softmax", image=(4, 3, 2)),
    "softmax over features": Row([FLAT, {"type": "softmax"}], image=(1, 4, 2), flat=True),
    "add": Row([CONV, CONV | {"name": "b", "inputs": ["x"]}, {"type": "add", "inputs": ["conv", "b"]}]),
    "add, three, one of them twice": Row([CONV, {"type": "tanh"}, {"type": "add", "inputs": ["1", "conv", "1"]}]),
    "concat": Row([CONV, {"type": "concat", "inputs": ["x", "conv", "x"]}]),
    "concat of features": Row([FLAT, LINEAR, {"type": "concat", "inputs": ["fc", "0"]}], flat=True),
    "fan-out": Row([
        CONV, NORM, {"type": "silu", "name": "a"}, {"type": "conv2d", "name": "b", "out_channels": 3, "kernel_size": 1},
        {"type": "add", "name": "s", "inputs": ["b", "a", "conv"]},
        {"type": "concat", "inputs": ["s", "x", "bn"]}, {"type": "avg_pool2d", "kernel_size": 2}, FLAT, LINEAR,
    ], n=40, train=True, flat=True),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_layers(row: Row) -> None:
    """The gradients of input and parameters are the function's derivative, for a random cotangent."""
    network = Network.from_dict({"input": row.image, "layers": row.layers + ([] if row.flat else [FLAT])})
    cotangent = Draw(3, 0).array((row.n, network.classes), -1.0, 1.0)
    x = apart((row.n, *row.image))
    check_gradients(Objective(network, cotangent=cotangent, train=row.train, seed=11), x, weights_of(network))


LOSS_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "cross_entropy": ({"name": "cross_entropy"}, "indices"),
    "cross_entropy, label smoothing": ({"name": "cross_entropy", "label_smoothing": 0.2}, "indices"),
    "cross_entropy, probabilities": ({"name": "cross_entropy"}, "probabilities"),
    "cross_entropy, both": ({"name": "cross_entropy", "label_smoothing": 0.1}, "probabilities"),
    "cross_entropy, any weights": ({"name": "cross_entropy"}, "values"),
    "mse": ({"name": "mse"}, "values"),
    "l1": ({"name": "l1"}, "values"),
    "huber": ({"name": "huber"}, "values"),
    "huber, delta": ({"name": "huber", "delta": 0.25}, "values"),
    "bce_with_logits": ({"name": "bce_with_logits"}, "probabilities"),
}


@pytest.mark.parametrize("n", [1, 33, 50])
@pytest.mark.parametrize(("loss", "kind"), LOSS_ROWS.values(), ids=LOSS_ROWS)
def test_losses(loss: dict[str, Any], kind: str, n: int) -> None:
    """The gradient is that of the mean over the whole batch, however it is cut into microbatches."""
    network = Network.from_dict({"input": [4, 1, 1], "layers": [FLAT]})
    x = apart((n, 4, 1, 1), seed=1)
    error, delta = apart((n, 4), seed=2), loss.get("delta", 1.0)
    error += 5e-3 * (np.abs(np.abs(error) - delta) < 1e-3)  # away from huber's delta, as they are from 0
    target: Any = x.reshape(n, 4) - error
    if kind == "indices":
        target = np.array([Draw(5, i).whole(0, 3) for i in range(n)])
    elif kind == "probabilities":
        raw = Draw(6, 0).array((n, 4), 0.1, 1.0)
        target = raw / raw.sum(axis=1, keepdims=True)
    check_gradients(Objective(network, Training.from_dict({"loss": loss}).loss, target), x, {})


def test_every_layer_has_a_row() -> None:
    """Nobody adds a layer without its gradient being checked."""
    assert {layer["type"] for row in ROWS.values() for layer in row.layers} == set(LAYERS)


def test_every_loss_has_a_row() -> None:
    """Nobody adds a loss without its gradient being checked."""
    assert {loss["name"] for loss, _ in LOSS_ROWS.values()} == set(LOSSES)
