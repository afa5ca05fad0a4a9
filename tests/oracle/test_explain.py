"""Explanations of random networks against PyTorch: Captum's definitions, written again with autograd."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from convserve_model import METHODS, Engine, Network, explain
from tests.model.answers import snapshot_of
from tests.model.random_networks import Case, case
from tests.model.sketch import Draw
from tests.oracle.kinks import near_kink
from tests.oracle.torch_network import TorchNetwork, answer
from tests.tolerance import relative_error

pytestmark = pytest.mark.oracle

SEEDS = range(40)
DTYPES: dict[str, tuple[Any, torch.dtype]] = {
    "float64": (np.float64, torch.float64),
    "float32": (np.float32, torch.float32),
}
LARGEST = {"float64": 1e-10, "float32": 1e-4}
ONE_POINT = ("saliency", "input_x_gradient", "grad_cam")  # on the way to x there are kinks, where float32 decides
Values = dict[str, torch.Tensor]


def slope(network: TorchNetwork, x: torch.Tensor, target: torch.Tensor, of: str = "x") -> tuple[Values, torch.Tensor]:
    """Every value, and the derivative of each row's target with respect to one of them."""
    values: Values = network(x.detach().requires_grad_())
    chosen = values[network.names[-1]].gather(1, target[:, None]).sum()
    return values, torch.autograd.grad(chosen, values[of])[0]


def saliency(network: TorchNetwork, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """captum.attr.Saliency, abs=True."""
    return slope(network, x, target)[1].abs()


def input_x_gradient(network: TorchNetwork, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """captum.attr.InputXGradient."""
    return x * slope(network, x, target)[1]


def integrated_gradients(
    network: TorchNetwork, x: torch.Tensor, target: torch.Tensor, *, steps: int = 50, baseline: float = 0.0
) -> torch.Tensor:
    """captum.attr.IntegratedGradients, method="gausslegendre"."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(x)
    for alpha, size in zip((1 + nodes) / 2, weights / 2, strict=True):
        total += size * slope(network, baseline + alpha * (x - baseline), target)[1]
    return total * (x - baseline)


def smoothgrad(
    network: TorchNetwork,
    x: torch.Tensor,
    target: torch.Tensor,
    *,
    samples: int = 50,
    noise: float = 0.15,
    seed: int = 0,
) -> torch.Tensor:
    """captum.attr.NoiseTunnel(Saliency), nt_type="smoothgrad", with our draws and the paper's standard deviation."""
    deviation = noise * (x.amax(dim=(1, 2, 3), keepdim=True) - x.amin(dim=(1, 2, 3), keepdim=True))
    total = torch.zeros_like(x)
    for sample in range(samples):
        key, counter = np.array([seed, 0], np.uint64), np.array([0, 3, sample, 0], np.uint64)
        draw = np.random.Generator(np.random.Philox(key=key, counter=counter)).standard_normal(x.shape[1:], np.float32)
        total += saliency(network, x + deviation * torch.tensor(draw, dtype=x.dtype), target)
    return total / samples


def grad_cam(network: TorchNetwork, x: torch.Tensor, target: torch.Tensor, *, layer: str) -> torch.Tensor:
    """captum.attr.LayerGradCam, relu_attributions=True, and LayerAttribution.interpolate, bilinear."""
    values, gradient = slope(network, x, target, layer)
    summed = gradient.mean(dim=(2, 3), keepdim=True)
    map_ = F.relu((summed * values[layer]).sum(dim=1, keepdim=True))
    return F.interpolate(map_, x.shape[2:], mode="bilinear").expand_as(x)


ORACLES: dict[str, Callable[..., torch.Tensor]] = {
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "integrated_gradients": integrated_gradients,
    "smoothgrad": smoothgrad,
    "grad_cam": grad_cam,
}


@cache
def engine() -> Engine:
    return Engine(2)


@cache
def evaluated(seed: int) -> Case:
    """The first attempt of a seed that is nowhere near a kink in evaluation mode."""
    for attempt in range(60):
        this = replace(case(seed, attempt), train=False)
        if not near_kink(this, answer(this)):
            return this
    raise AssertionError(f"seed {seed}: every attempt is near a kink")


def options_of(name: str, this: Case, images: list[str]) -> list[Mapping[str, Any]]:
    """With which numbers: Grad-CAM for every layer with height and width, which are all convolutions and more."""
    if name == "grad_cam":
        return [{"layer": layer} for layer in images]
    drawn: dict[str, Mapping[str, Any]] = {
        "integrated_gradients": {"steps": 1 + this.seed % 60, "baseline": this.seed % 3 / 4},
        "smoothgrad": {"samples": 1 + this.seed % 40, "noise": this.seed % 5 / 10, "seed": this.seed},
    }
    return [drawn.get(name, {})]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name in METHODS for dtype in DTYPES if dtype == "float64" or name in ONE_POINT],
)
@pytest.mark.parametrize("seed", SEEDS)
def test_explanations_are_captums(seed: int, name: str, dtype: str) -> None:
    """At most 1e-10 in float64, and 1e-4 in float32 where x alone decides, of the largest value."""
    ours, theirs = DTYPES[dtype]
    this = evaluated(seed)
    network = Network.from_dict(this.architecture)
    target = np.array([Draw(seed, 500 + row).whole(0, network.classes - 1) for row in range(len(this.x))])
    subject = explain.Subject(engine(), network, snapshot_of(network, this.weights, ours))
    oracle = TorchNetwork(this.architecture, this.weights, (0, 0)).to(theirs).eval()
    images = [layer for layer in network.names if len(network.shapes[layer]) == 3]
    wrong: dict[str, float] = {}
    for options in options_of(name, this, images):
        found = explain.attributions(subject, explain.method(name, options), this.x.astype(ours), target)
        expected = ORACLES[name](oracle, torch.tensor(this.x, dtype=theirs), torch.tensor(target), **options)
        error = relative_error(found["explanation"], expected.detach().numpy())
        if not error <= LARGEST[dtype]:
            wrong[str(options)] = error
    assert not wrong, f"seed {seed}: {wrong}"


def test_every_method_has_an_oracle() -> None:
    """Nobody adds a method without its definition being checked."""
    assert set(ORACLES) == set(METHODS)
