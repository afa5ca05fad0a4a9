"""Dropout: whose mask it is, and how much it drops."""

from typing import Any

import numpy as np
import pytest

from convserve_model import Engine, Network, Snapshot, Training
from tests.model.engine_cases import NETWORK, TRAINING, rows, start

ENGINE = Engine()


def test_dropout_is_a_function_of_seed_and_step() -> None:
    """The same seed gives the same bits, another seed or another step gives others; evaluation draws nothing."""
    x, y = rows(40)

    def logits(seed: int, train: bool = True) -> bytes:
        options: dict[str, Any] = {"loss": TRAINING.loss, "target": y, "train": train, "outputs": ("logits",)}
        return ENGINE.gradients(NETWORK, start(), x, seed=seed, **options)["logits"].tobytes()

    assert logits(1) == logits(1)
    assert logits(1) != logits(2)
    assert logits(1, train=False) == logits(2, train=False)
    still = Training.from_dict({"optimizer": {"name": "sgd", "learning_rate": 0.0}})
    _, losses = ENGINE.train(NETWORK, still, start(), x, y, epochs=3, seed=1)
    _, again = ENGINE.train(NETWORK, still, start(), x, y, epochs=3, seed=1)
    assert len(set(losses.tolist())) == 3
    assert losses.tolist() == again.tolist()


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
def test_dropout_drops_its_share(p: float) -> None:
    """Values are 0 with probability p (within four standard deviations), others are scaled by 1 / (1 - p)."""
    layers = [{"type": "dropout", "p": p}, {"type": "flatten"}]
    network = Network.from_dict({"input": [3, 5, 5], "layers": layers})
    x = np.ones((200, 3, 5, 5), np.float32)
    options: dict[str, Any] = {"loss": TRAINING.loss, "target": np.zeros(200, np.int64), "outputs": ("logits",)}
    found = ENGINE.gradients(network, Snapshot.initial(network, TRAINING, seed=0), x, train=True, **options)["logits"]
    assert abs(float((found == 0).mean()) - p) <= 4 * (p * (1 - p) / found.size) ** 0.5
    assert set(np.unique(found).tolist()) <= {0.0, float(np.float32(1 / (1 - p))) if p < 1 else 0.0}
