"""The same bits on any number of threads, and after anything else."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from convserve_model import Engine
from tests.model.engine_cases import EVERY, NETWORK, TRAINING, rows, same, start


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[int, Engine]]:
    made = {threads: Engine(threads) for threads in (1, 2, 4)}
    yield made
    for engine in made.values():
        engine.close()


@pytest.mark.parametrize("n", [1, 33, 100])
@pytest.mark.parametrize("train", [False, True])
def test_gradients_have_the_same_bits_on_any_number_of_threads(engines: dict[int, Engine], n: int, train: bool) -> None:
    """Every output of 1, 2 and 4 threads, with batch norm and dropout."""
    x, y = rows(n)
    first, *others = (
        engine.gradients(NETWORK, start(), x, loss=TRAINING.loss, target=y, train=train, seed=3, outputs=EVERY)
        for engine in engines.values()
    )
    for other in others:
        assert [name for name in EVERY if first[name].tobytes() != other[name].tobytes()] == []


@pytest.mark.parametrize("n", [1, 33, 100])
def test_inference_has_the_same_bits_on_any_number_of_threads(engines: dict[int, Engine], n: int) -> None:
    """Every layer's output of 1, 2 and 4 threads."""
    x, _ = rows(n)
    first, *others = (engine.infer(NETWORK, start(), x, NETWORK.names) for engine in engines.values())
    for other in others:
        assert [name for name in NETWORK.names if first[name].tobytes() != other[name].tobytes()] == []


@pytest.mark.parametrize("n", [1, 33, 100])
def test_training_has_the_same_bits_on_any_number_of_threads(engines: dict[int, Engine], n: int) -> None:
    """Parameters, buffers, optimizer state and losses after several steps, the last batch smaller."""
    x, y = rows(n)
    options: dict[str, Any] = {"epochs": 3, "batch_size": 70, "shuffle_seed": 2, "seed": 9}
    first, *others = (engine.train(NETWORK, TRAINING, start(), x, y, **options) for engine in engines.values())
    for snapshot, losses in others:
        assert same(first[0], snapshot)
        assert losses.tobytes() == first[1].tobytes()


def test_bits_do_not_depend_on_what_ran_before(engines: dict[int, Engine]) -> None:
    """A second run of the same request on the same engine, and one on transposed memory, give the first one's bits."""
    x, y = rows(50)
    strided = np.ascontiguousarray(x.transpose(3, 1, 2, 0)).transpose(3, 1, 2, 0)
    runs = [
        engines[2].gradients(NETWORK, start(), data, loss=TRAINING.loss, target=y, train=True, outputs=EVERY)
        for data in (x, x, strided)
    ]
    for other in runs[1:]:
        assert [name for name in EVERY if runs[0][name].tobytes() != other[name].tobytes()] == []
