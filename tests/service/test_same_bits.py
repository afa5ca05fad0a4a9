"""The same training in process and over HTTP gives the same bits."""

import hashlib
from typing import Any

import numpy as np
import pytest

from convserve_client import Client
from convserve_client.samples import digits
from convserve_model import Engine, Network, Preprocess, Snapshot, Training, safetensors

ARCHITECTURE: dict[str, Any] = {
    "input": [1, 28, 28],
    "layers": [
        {"type": "conv2d", "name": "conv1", "out_channels": 4, "kernel_size": 3, "stride": 2, "padding": 1},
        {"type": "batch_norm2d", "name": "bn"},
        {"type": "relu"},
        {"type": "conv2d", "name": "conv2", "out_channels": 4, "kernel_size": 3, "padding": 1},
        {"type": "add", "name": "sum", "inputs": ["conv2", "bn"]},
        {"type": "max_pool2d", "kernel_size": 2},
        {"type": "flatten"},
        {"type": "dropout", "p": 0.2},
        {"type": "linear", "name": "fc", "out_features": 10},
    ],
}
TRAINING = {"optimizer": {"name": "adam", "learning_rate": 0.01}, "schedule": {"name": "cosine", "t_max": 30}}
PREPROCESS = {"mean": 0.13, "std": 0.31}


@pytest.mark.parametrize("threads", [1, 2])
def test_training_in_process_and_over_http_gives_the_same_bits(server: str, name: str, threads: int) -> None:
    """Weights, losses and logits, with batch norm, dropout, shuffling and uneven batches."""
    data = digits()
    x, y = data.train_images[:200], data.train_labels[:200]
    model = Client(server).create(name, ARCHITECTURE, training=TRAINING, preprocess=PREPROCESS, seed=5)
    made = [model.train(x, y, epochs=2, batch_size=48, shuffle_seed=seed) for seed in range(3)]

    network, training = Network.from_dict(ARCHITECTURE), Training.from_dict(TRAINING)
    preprocess = Preprocess.from_dict(PREPROCESS, channels=1)
    snapshot, losses = Snapshot.initial(network, training, seed=5), []
    engine = Engine(threads)
    for seed in range(3):
        snapshot, more = engine.train(
            network, training, snapshot, preprocess.normalize(x), y,
            epochs=2, batch_size=48, shuffle_seed=seed, seed=5,
        )  # fmt: skip
        losses.append(more.astype(np.float32))

    for got, expected in zip(made, losses, strict=True):
        assert np.array_equal(got.losses, expected)
    file = b"".join(safetensors.serialize(*snapshot.to_tensors()))
    assert made[-1].digest == f"sha256:{hashlib.sha256(file).hexdigest()}"
    logits = engine.infer(network, snapshot, preprocess.normalize(data.test_images[:70]))["logits"]
    assert np.array_equal(model.infer(data.test_images[:70]), logits)
    engine.close()
