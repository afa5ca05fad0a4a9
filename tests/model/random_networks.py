"""Random networks as a pure function of a seed: architecture, loss, weights, input and target, without the library."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.model.random_layers import body, head
from tests.model.sketch import Array, Draw, Sketch


@dataclass(frozen=True)
class Case:
    """What both sides compute. Arrays are float64 (class indices int64)."""

    seed: int
    architecture: dict[str, Any]
    loss: dict[str, Any]
    train: bool
    weights: dict[str, Array]
    x: Array
    y: Array

    @property
    def layers(self) -> list[dict[str, Any]]:
        return list(self.architecture["layers"])

    @property
    def has_batch_norm(self) -> bool:
        return any(layer["type"] == "batch_norm2d" for layer in self.layers)


def case(seed: int, attempt: int = 0, *, small: bool = False) -> Case:
    """The case of a seed; another attempt has other x and y. `small` ones have few classes and images."""
    draw = Draw(seed, 0)
    train = draw.chance(0.5)
    extents = (5, 7, 8, 9) if small else (5, 6, 7, 8, 9, 11, 13)
    shape = (draw.whole(1, 4), draw.among(extents), draw.among(extents))
    batch = draw.among((1, 2, 3, 5) if small else (1, 2, 3, 5, 8, 16, 31, 32, 33))
    sketch = Sketch(draw, batch, small, shape)
    for _ in range(draw.whole(2, 6)):
        body(sketch, train)
    loss = head(sketch)
    weights = {name: Draw(seed, 1 + i).array(*spec) for i, (name, spec) in enumerate(sketch.tensors.items())}
    for name in [name for name in weights if name.endswith(".running_var")]:
        weights[name.replace("running_var", "num_batches_tracked")] = np.array(3, np.int64)
    data = Draw(seed, 1000 + attempt)
    x = data.array((batch, *shape), -1.0, 1.0)
    return Case(
        seed, {"input": list(shape), "layers": sketch.layers}, loss, train, weights, x, target(data, loss, sketch)
    )


def target(draw: Draw, loss: dict[str, Any], sketch: Sketch) -> Array:
    """What the loss compares with: class indices or probabilities for cross-entropy, values otherwise."""
    n, classes = sketch.batch, sketch.shape[0]
    if loss["name"] == "bce_with_logits":
        return draw.array((n, classes), 0.0, 1.0)
    if loss["name"] != "cross_entropy":
        return draw.array((n, classes), -1.0, 1.0)
    if draw.chance(0.5):
        return np.array([draw.whole(0, classes - 1) for _ in range(n)], np.int64)
    raw = draw.array((n, classes), 0.1, 1.0)
    return np.asarray(raw / raw.sum(axis=1, keepdims=True), np.float32).astype(np.float64)
