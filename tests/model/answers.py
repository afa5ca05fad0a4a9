"""What the library says of a random case, and how far two answers are from one another."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from convserve_model import Engine, Network, Snapshot, Training
from tests.model.random_networks import Case
from tests.model.sketch import Array
from tests.tolerance import relative_error

Results = dict[str, dict[str, Array]]  # by group: outputs, gradients, input, buffers


def snapshot_of(network: Network, weights: Mapping[str, Array], dtype: Any) -> Snapshot:
    """Step 0 with copies of these weights in that dtype."""
    own = {name: array.astype(dtype if array.dtype.kind == "f" else array.dtype) for name, array in weights.items()}
    return Snapshot.from_weights(network, own, dtype=dtype)


def answers(engine: Engine, this: Case, dtype: Any) -> Results:
    """Outputs, loss, all gradients, and the buffers that a training step leaves."""
    network = Network.from_dict(this.architecture)
    training = Training.from_dict({"loss": this.loss, "optimizer": {"name": "sgd", "learning_rate": 0.0}})
    snapshot = snapshot_of(network, this.weights, dtype)
    x, y = this.x.astype(dtype), this.y if this.y.ndim == 1 else this.y.astype(dtype)
    names = [f"grad/{name}" for name in network.parameters]
    asked = ("logits", "loss", "grad/x", *names)
    found = engine.gradients(network, snapshot, x, loss=training.loss, target=y, train=this.train, outputs=asked)
    buffers = snapshot.buffers
    if this.train:
        buffers = engine.train(network, training, snapshot, x, y)[0].buffers
    return {
        "outputs": {name: found[name] for name in ("logits", "loss")},
        "gradients": {name: found[name] for name in names},
        "input": {"grad/x": found["grad/x"]},
        "buffers": dict(buffers),
    }


def errors(got: Results, wanted: Results) -> dict[str, float]:
    """The relative error of every tensor, measured by the largest value of its group."""
    found: dict[str, float] = {}
    for group, tensors in wanted.items():
        assert set(got[group]) == set(tensors)
        largest = max((float(np.abs(b).max()) for b in tensors.values()), default=0.0)
        for name, b in tensors.items():
            found[name] = relative_error(got[group][name], b, largest)
    return found
