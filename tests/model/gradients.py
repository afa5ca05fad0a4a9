"""The one check of gradients: central differences in float64 along random signs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from convserve_model import Engine, Network
from convserve_model.losses import MSE, Loss
from tests.model.answers import snapshot_of
from tests.model.sketch import Array, Draw

H = 1e-4  # with the four-point formula the truncation is of order H**4
TOLERANCE = 1e-7  # of the gradient's Euclidean norm


def apart(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Distinct values of both signs in random order, at least 1e-3 from one another and from 0."""
    n = int(np.prod(shape))
    step = max(1e-3, 3.0 / n)
    order = np.argsort(Draw(seed, 0).random(n))
    signs = np.where(Draw(seed, 1).random(n) < 0.5, -1.0, 1.0)
    return (signs * step * (1 + np.arange(n)))[order].reshape(shape)


def weights_of(network: Network, seed: int = 0) -> dict[str, Array]:
    """Random parameters and running statistics, float64."""
    found: dict[str, Array] = {}
    for index, (name, spec) in enumerate(network.specs.items()):
        low, high = (0.5, 1.5) if name.endswith("running_var") else (-0.7, 0.7)
        found[name] = Draw(seed, 10 + index).array(spec.shape, low, high)
        if spec.dtype != "float":
            found[name] = np.array(4, spec.dtype)
    return found


@dataclass(frozen=True)
class Objective:
    """What is differentiated: the loss, or <cotangent, logits>; a function of x and the weights."""

    network: Network
    loss: Loss = field(default_factory=MSE)
    target: Array | None = None
    cotangent: Array | None = None
    train: bool = False
    seed: int = 0

    def ask(self, engine: Engine, tensors: Mapping[str, Array], outputs: tuple[str, ...]) -> dict[str, Array]:
        weights = {name: array for name, array in tensors.items() if name != "x"}
        options: dict[str, Any] = {"target": self.target, "cotangent": self.cotangent, "train": self.train}
        snapshot = snapshot_of(self.network, weights, np.float64)
        return engine.gradients(
            self.network, snapshot, tensors["x"], loss=self.loss, seed=self.seed, outputs=outputs, **options
        )

    def value(self, engine: Engine, tensors: Mapping[str, Array]) -> float:
        if self.cotangent is None:
            return float(self.ask(engine, tensors, ("loss",))["loss"][0])
        return float((self.ask(engine, tensors, ("logits",))["logits"] * self.cotangent).sum())


def check_gradients(objective: Objective, x: Array, weights: Mapping[str, Array]) -> None:
    """|fd - <g, v>| <= 1e-7 ||g|| for x and every parameter, v of random signs; fd is the four-point difference."""
    engine = Engine()
    tensors = {**weights, "x": x}
    names = ("x", *objective.network.parameters)
    gradients = objective.ask(engine, tensors, tuple(f"grad/{name}" for name in names))
    for index, name in enumerate(names):
        g = gradients[f"grad/{name}"]
        v = np.where(Draw(99, index).random(g.shape) < 0.5, -1.0, 1.0)

        def moved(times: float, name: str = name, v: Array = v) -> float:
            return objective.value(engine, {**tensors, name: tensors[name] + times * H * v})

        fd = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * H)
        distance, norm = abs(fd - float((g * v).sum())), float(np.linalg.norm(g))
        assert norm > 0, f"the gradient of {name} is zero"
        assert distance <= TOLERANCE * norm, f"grad/{name}: {distance / norm:.1e} of its norm"
