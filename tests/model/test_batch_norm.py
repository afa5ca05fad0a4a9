"""Batch norm: what PyTorch's definition demands beyond its formulas."""

import numpy as np
import pytest

from convserve_model import Engine, InputError, Network, Snapshot
from tests.model.engine_cases import TRAINING, rows
from tests.model.test_gradients import FLAT


def test_batch_norm_needs_two_values_for_each_channel_in_training() -> None:
    """Refused before the first step, also for a smaller last batch only."""
    spec = {"input": [2, 1, 1], "layers": [{"type": "batch_norm2d", "name": "bn"}, FLAT]}
    network = Network.from_dict(spec)
    snapshot = Snapshot.initial(network, TRAINING, seed=0)
    x, y = np.zeros((5, 2, 1, 1), np.float32), np.zeros(5, np.int64)
    assert Engine().infer(network, snapshot, x[:1])["logits"].shape == (1, 2)
    for size in (2, 1):
        with pytest.raises(InputError, match=r"'bn'.*batch of 1"):
            Engine().train(network, TRAINING, snapshot, x, y, batch_size=size)


def test_batch_norm_survives_a_large_mean() -> None:
    """Mean 1000 standard deviations from 0, float32: outputs and running variance are right to 1e-3."""
    network = Network.from_dict({"input": [1, 4, 4], "layers": [{"type": "batch_norm2d", "name": "bn"}, FLAT]})
    snapshot = Snapshot.initial(network, TRAINING, seed=0)
    x = (rows(100)[0].reshape(-1)[: 70 * 16].reshape(70, 1, 4, 4) + 1000).astype(np.float32)
    wide = x.astype(np.float64)
    y = np.arange(70) % 16
    found = Engine().gradients(network, snapshot, x, loss=TRAINING.loss, target=y, train=True, outputs=("logits",))
    wanted = (wide - wide.mean()) / np.sqrt(wide.var() + 1e-5)
    np.testing.assert_allclose(found["logits"].reshape(x.shape), wanted, atol=1e-3)
    stepped, _ = Engine().train(network, TRAINING, snapshot, x, y)
    assert stepped.buffers["bn.running_var"][0] == pytest.approx(0.9 + 0.1 * wide.var(ddof=1), rel=1e-5)
