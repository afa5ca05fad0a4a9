"""The stored answers of PyTorch, by key (tests/oracle/write_references.py makes them)."""

from functools import cache
from pathlib import Path

import numpy as np

from tests.model.answers import Results
from tests.model.sketch import Array

PATH = Path(__file__).with_name("references.npz")
NETWORKS = range(1000, 1040)  # seeds


@cache
def stored() -> dict[str, Array]:
    with np.load(PATH, allow_pickle=False) as file:
        return dict(file)


def network_reference(seed: int) -> tuple[int, Results]:
    """(the attempt, PyTorch's results by group) of a seed."""
    results: Results = {"outputs": {}, "gradients": {}, "input": {}, "buffers": {}}
    attempt = 0
    for key, value in stored().items():
        kind, *rest = key.split("/", 4)
        if kind == "network" and int(rest[0]) == seed:
            attempt = int(rest[1])
            results[rest[2]][rest[3]] = value
    return attempt, results
