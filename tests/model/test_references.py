"""The library against PyTorch's stored answers, so that no PyTorch is needed."""

from typing import Any

import numpy as np
import pytest

from convserve_model import Engine
from tests.model.answers import answers, errors
from tests.model.optimizer_cases import OPTIMIZERS, run
from tests.model.random_networks import case
from tests.model.references import NETWORKS, network_reference, stored


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.mark.parametrize(("dtype", "largest"), [(np.float64, 1e-10), (np.float32, 1e-4)])
@pytest.mark.parametrize("seed", NETWORKS)
def test_random_networks_give_the_stored_answers(engine: Engine, seed: int, dtype: Any, largest: float) -> None:
    """Outputs, loss, gradients and buffers are PyTorch's float64 ones: within 1e-10, in float32 within 1e-4."""
    attempt, wanted = network_reference(seed)
    found = errors(answers(engine, case(seed, attempt, small=True), dtype), wanted)
    wrong = {name: error for name, error in found.items() if not error <= largest}
    assert not wrong, f"seed {seed}: {wrong}"


def test_stored_networks_are_close_in_float32(engine: Engine) -> None:
    """The 99th percentile of the float32 errors is at most 1e-5."""
    found: list[float] = []
    for seed in NETWORKS:
        attempt, wanted = network_reference(seed)
        found.extend(errors(answers(engine, case(seed, attempt, small=True), np.float32), wanted).values())
    assert float(np.percentile(found, 99)) <= 1e-5


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_give_the_stored_parameters(name: str) -> None:
    """200 steps in float32 end within 1e-5 of PyTorch's float64 parameters, relative to the largest."""
    wanted = stored()[f"optimizer/{name}"]
    assert np.abs(run(OPTIMIZERS[name]) - wanted).max() <= 1e-5 * np.abs(wanted).max()
