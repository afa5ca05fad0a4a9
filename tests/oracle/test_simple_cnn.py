"""The textbook's SimpleCNN: the library in float32 against PyTorch."""

import numpy as np
import pytest
import torch

from convserve_model import Engine, Network, Training
from tests.model.answers import errors, snapshot_of
from tests.oracle.simple_cnn import computed
from tests.service.specs import SIMPLE_CNN

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize(("n", "dtype"), [(1, torch.float32), *((n, torch.float64) for n in (1, 2, 32, 33, 70))])
@pytest.mark.parametrize("seed", range(10))
def test_simplecnn_is_pytorchs(seed: int, n: int, dtype: torch.dtype) -> None:
    """Output, loss, and the gradients of weights, biases and input are within 1e-6 of PyTorch's.

    One image is compared with PyTorch's float32, batches with its float64: where logits cancel, PyTorch's own float32
    is up to 7e-7 away from it.
    """
    theirs = computed(n, seed, dtype)
    gradients = [name for name in theirs if name.startswith("grad/") and name != "grad/x"]
    groups = {"outputs": ["logits", "loss"], "gradients": gradients, "input": ["grad/x"]}
    wanted = {group: {name: theirs[name] for name in names} for group, names in groups.items()}

    network, training = Network.from_dict(SIMPLE_CNN["architecture"]), Training.from_dict({"loss": {"name": "mse"}})
    weights = {name.removeprefix("w/"): array for name, array in theirs.items() if name.startswith("w/")}
    x, y = (theirs[name].astype(np.float32) for name in ("x", "y"))
    asked = ["logits", "loss", "grad/x", *gradients]
    snapshot = snapshot_of(network, weights, np.float32)
    found = Engine().gradients(network, snapshot, x, loss=training.loss, target=y, outputs=asked)
    got = {group: {name: found[name] for name in names} for group, names in groups.items()}
    assert max(errors(got, wanted).values()) <= 1e-6, f"seed {seed}"
