"""The networks of the table, as the JSON that creates them."""

from collections.abc import Callable
from typing import Any

from convserve_client.architectures import FLATTEN, POOL, RELU, Architecture, conv, lenet5, linear, simple_cnn

GLOBAL_POOL = {"type": "global_avg_pool"}
Layers = list[dict[str, Any]]


def mnist_cnn() -> Architecture:
    """PyTorch's MNIST example without dropout."""
    layers = [
        conv("conv1", 32, 3), RELU, conv("conv2", 64, 3), RELU, POOL, FLATTEN, linear("fc1", 128), RELU,
        linear("fc2", 10),
    ]  # fmt: skip
    return {"input": [1, 28, 28], "layers": layers}


def vgg_cifar() -> Architecture:
    """Three pairs of 3x3 convolutions, each with a pool behind it."""
    layers: Layers = []
    for channels in (64, 128, 256):
        for place in "ab":
            layers += [conv(f"conv{channels}{place}", channels, 3, padding=1), RELU]
        layers.append(POOL)
    return {"input": [3, 32, 32], "layers": [*layers, FLATTEN, linear("fc", 10)]}


def resnet20() -> Architecture:
    """The ResNet-20 of He et al. (2016) for CIFAR, with projections where the shape changes."""
    layers = [*_normalized("stem", 16), {**RELU, "name": "stem.relu"}]
    source, channels = "stem.relu", 16
    for stage, out in enumerate((16, 32, 64), 1):
        for block in range(1, 4):
            stride = 2 if stage > 1 and block == 1 else 1
            layers += _residual(f"stage{stage}.{block}", source, out, stride, project=out != channels)
            source, channels = f"stage{stage}.{block}.relu", out
    return {"input": [3, 32, 32], "layers": [*layers, GLOBAL_POOL, FLATTEN, linear("fc", 10)]}


def mobilenet() -> Architecture:
    """Depthwise and 1x1 convolutions as in MobileNet (Howard et al., 2017), for images of 64x64."""
    layers = [*_normalized("stem", 16, stride=2), RELU]
    channels = 16
    steps = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1))
    for number, (out, stride) in enumerate(steps, 1):
        layers += [*_normalized(f"block{number}.depthwise", channels, stride=stride, groups=channels), RELU]
        layers += [*_normalized(f"block{number}.pointwise", out, size=1), RELU]
        channels = out
    return {"input": [3, 64, 64], "layers": [*layers, GLOBAL_POOL, FLATTEN, linear("fc", 10)]}


NETWORKS: dict[str, Callable[[], Architecture]] = {
    "simple-cnn": simple_cnn,
    "lenet5": lenet5,
    "mnist-cnn": mnist_cnn,
    "vgg-cifar": vgg_cifar,
    "resnet-20": resnet20,
    "mobilenet": mobilenet,
}


def _residual(name: str, source: str, channels: int, stride: int, *, project: bool) -> Layers:
    main = [
        *_normalized(f"{name}.a", channels, stride=stride, inputs=[source]), {**RELU, "name": f"{name}.a.relu"},
        *_normalized(f"{name}.b", channels),
    ]  # fmt: skip
    shortcut = _normalized(f"{name}.project", channels, size=1, stride=stride, inputs=[source]) if project else []
    other = f"{name}.project.bn" if project else source
    join = {"type": "add", "name": f"{name}.add", "inputs": [f"{name}.b.bn", other]}
    return [*main, *shortcut, join, {**RELU, "name": f"{name}.relu"}]


def _normalized(name: str, channels: int, *, size: int = 3, **options: Any) -> Layers:
    """A convolution that keeps the extent but for its stride, without bias, and its batch norm."""
    convolution = {**conv(f"{name}.conv", channels, size, padding=size // 2), "bias": False, **options}
    return [convolution, {"type": "batch_norm2d", "name": f"{name}.bn"}]
