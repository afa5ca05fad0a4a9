"""320 random networks against PyTorch: outputs, loss, every gradient, and batch norm's buffers after a step."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from convserve_model import Engine
from tests.model.answers import answers, errors
from tests.oracle.kinks import settled
from tests.oracle.torch_network import answer

pytestmark = pytest.mark.oracle

SEEDS = range(320)
DTYPES: dict[str, tuple[Any, torch.dtype]] = {
    "float64": (np.float64, torch.float64),
    "float32": (np.float32, torch.float32),
}
LARGEST = {"float64": 1e-10, "float32": 1e-4}


@cache
def engine() -> Engine:
    return Engine(2)


@cache
def distances(seed: int, dtype: str) -> dict[str, float]:
    """The relative error of every tensor of a seed, each side in that dtype. Kinks are found by PyTorch in float64."""
    ours, theirs = DTYPES[dtype]
    this, _ = settled(seed)
    return errors(answers(engine(), this, ours), answer(this, theirs).results)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_tensor_is_pytorchs(seed: int, dtype: str) -> None:
    """At most 1e-10 in float64 and 1e-4 in float32, for every tensor of every seed."""
    found = distances(seed, dtype)
    wrong = {name: error for name, error in found.items() if not error <= LARGEST[dtype]}
    assert not wrong, f"seed {seed}: {wrong}"


def test_float32_is_rounding() -> None:
    """The 99th percentile of all float32 errors is at most 1e-5: the large ones are rare, so they are cancellation."""
    found = [error for seed in SEEDS for error in distances(seed, "float32").values()]
    assert float(np.percentile(found, 99)) <= 1e-5
