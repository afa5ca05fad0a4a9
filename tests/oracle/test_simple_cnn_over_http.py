"""SimpleCNN over HTTP against PyTorch, live."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.oracle.simple_cnn import computed
from tests.oracle.write_simple_cnn import BATCHES
from tests.service.test_simple_cnn import REFERENCE, TOLERANCE, check

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("seed", range(20))
def test_simple_cnn_over_http_is_pytorchs(server: str, name: str, seed: int, tmp_path: Path) -> None:
    """Twenty draws of weights and inputs, against float64: PyTorch's own float32 differs from that by up to 7e-7."""
    errors = check(server, name, computed(1 + seed, seed, torch.float64), tmp_path)
    assert max(errors.values()) <= TOLERANCE, errors


@pytest.mark.parametrize("batch", BATCHES)
def test_the_committed_results_are_pytorchs(batch: int) -> None:
    """What `make test` compares with is what PyTorch says now."""
    for name, array in computed(batch, batch).items():
        assert np.allclose(REFERENCE[f"{batch}/{name}"], array, rtol=1e-5, atol=1e-6), name


def test_our_weights_file_loads_in_pytorch(server: str, name: str, tmp_path: Path) -> None:
    """GET weights is a state_dict that PyTorch takes as it is."""
    import requests
    import safetensors.torch

    from tests.oracle.simple_cnn import SimpleCNN
    from tests.service.specs import SIMPLE_CNN

    url = f"{server}/v2/models/{name}"
    requests.put(url, json=SIMPLE_CNN, timeout=30).raise_for_status()
    state = safetensors.torch.load(requests.get(f"{url}/weights", timeout=30).content)
    SimpleCNN().load_state_dict(state)
