"""One network with everything that could depend on threads, and its data."""

from typing import Any

import numpy as np

from convserve_model import Network, Snapshot, Training
from tests.model.sketch import Array, Draw

ARCHITECTURE: dict[str, Any] = {
    "input": [2, 9, 7],
    "layers": [
        {"type": "conv2d", "name": "conv", "out_channels": 6, "kernel_size": 3, "padding": 1},
        {"type": "batch_norm2d", "name": "bn"},
        {"type": "relu", "name": "act"},
        {"type": "max_pool2d", "name": "pool", "kernel_size": 2},
        {"type": "dropout", "name": "drop", "p": 0.3},
        {"type": "conv2d", "name": "conv2", "out_channels": 6, "kernel_size": 3, "padding": 1, "groups": 2},
        {"type": "batch_norm2d", "name": "bn2", "momentum": None},
        {"type": "add", "name": "sum", "inputs": ["bn2", "pool"]},
        {"type": "gelu", "name": "act2"},
        {"type": "flatten", "name": "flat"},
        {"type": "linear", "name": "fc", "out_features": 4},
    ],
}
NETWORK = Network.from_dict(ARCHITECTURE)
TRAINING = Training.from_dict({
    "optimizer": {"name": "adam", "learning_rate": 0.01}, "schedule": {"name": "cosine", "t_max": 50},
    "clip_grad_norm": 1.0,
})  # fmt: skip
EVERY = ("logits", "loss", "grad/x", *NETWORK.names, *(f"grad/{name}" for name in NETWORK.parameters))


def start(dtype: Any = np.float32) -> Snapshot:
    return Snapshot.initial(NETWORK, TRAINING, seed=5, dtype=dtype)


def rows(n: int, dtype: Any = np.float32) -> tuple[Array, Array]:
    """(x, class indices) of n rows."""
    x = Draw(8, n).array((n, *NETWORK.input), -1.0, 1.0).astype(dtype)
    return x, (np.arange(n) * 7 % 4).astype(np.int64)


def same(a: Snapshot, b: Snapshot) -> bool:
    """Whether two snapshots have the same bits."""
    ours, theirs = a.to_tensors(), b.to_tensors()
    return (
        ours[1] == theirs[1]
        and list(ours[0]) == list(theirs[0])
        and all(array.tobytes() == theirs[0][name].tobytes() for name, array in ours[0].items())
    )
