"""Training: rows, steps, state."""

from typing import Any

import numpy as np
import pytest

from convserve_model import Engine, Training
from convserve_model.engine import batches
from tests.model.engine_cases import NETWORK, TRAINING, rows, same, start

ENGINE = Engine()


@pytest.mark.parametrize(("n", "size", "wanted"), [(7, 3, [[0, 1, 2], [3, 4, 5], [6]]), (4, 9, [[0, 1, 2, 3]])])
def test_rows_in_order(n: int, size: int, wanted: list[list[int]]) -> None:
    """Without a shuffle seed each epoch takes them as they come; a last, smaller batch is used."""
    assert [np.arange(n)[part].tolist() for part in batches(n, size, 2, None)] == wanted * 2


def test_shuffled_rows() -> None:
    """Each epoch takes every row once, in an order that (shuffle seed, epoch) alone decides."""
    found = [np.arange(50)[part] for part in batches(50, 8, 3, 4)]
    assert [len(part) for part in found] == [8, 8, 8, 8, 8, 8, 2] * 3
    orders = [np.concatenate(found[i : i + 7]).tolist() for i in (0, 7, 14)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert [np.arange(50)[part].tolist() for part in batches(50, 8, 3, 4)] == [part.tolist() for part in found]


@pytest.mark.parametrize("shuffle", [None, 6])
@pytest.mark.parametrize("optimizer", [{"name": "sgd", "momentum": 0.9}, {"name": "adam"}, {"name": "rmsprop"}])
def test_training_is_a_sequence_of_single_steps(optimizer: dict[str, Any], shuffle: int | None) -> None:
    """Epochs and batches give the bits of one call for each step, with dropout, batch norm and a schedule."""
    spec = {
        "optimizer": optimizer,
        "schedule": {"name": "step", "step_size": 3, "warmup_steps": 2},
        "clip_grad_norm": 1.0,
    }
    training = Training.from_dict(spec)
    x, y = rows(40)
    whole, losses = ENGINE.train(
        NETWORK, training, start(), x, y, epochs=2, batch_size=16, shuffle_seed=shuffle, seed=7
    )
    snapshot, single = start(), []
    for part in batches(40, 16, 2, shuffle):
        snapshot, loss = ENGINE.train(NETWORK, training, snapshot, x[part], y[part], seed=7)
        single.append(loss[0])
    assert same(whole, snapshot)
    assert whole.step == whole.age == len(losses) == 6
    assert losses.tolist() == single


def test_a_step_with_the_callers_gradients_is_a_training_step() -> None:
    """gradients(train) and step give the parameters of train: aggregation elsewhere is exact."""
    x, y = rows(40)
    wanted, _ = ENGINE.train(NETWORK, TRAINING, start(), x, y, seed=7)
    found = ENGINE.gradients(NETWORK, start(), x, loss=TRAINING.loss, target=y, train=True, seed=7)
    gradients = {name.removeprefix("grad/"): array for name, array in found.items() if name != "loss"}
    stepped = ENGINE.step(NETWORK, TRAINING, start(), gradients, wanted.buffers)
    assert same(wanted, stepped)


def test_learning_lowers_the_loss() -> None:
    """60 epochs on 40 fixed rows at least halve the loss, and evaluate agrees with counting."""
    x, y = rows(40)
    snapshot, losses = ENGINE.train(NETWORK, TRAINING, start(), x, y, epochs=60)
    assert losses[-1] < losses[0] / 2
    found = ENGINE.evaluate(NETWORK, snapshot, x, y, loss=TRAINING.loss)
    guesses = ENGINE.infer(NETWORK, snapshot, x)["logits"].argmax(axis=1)
    assert found.accuracy == float((guesses == y).mean())
    assert found.count == 40
    assert found.count_per_class is not None
    assert found.correct_per_class is not None
    assert found.count_per_class.tolist() == [10] * 4
    assert found.correct_per_class.tolist() == [int(((guesses == y) & (y == k)).sum()) for k in range(4)]


def test_a_step_leaves_its_snapshot_alone() -> None:
    """Training and stepping make new snapshots; arrays of a snapshot are read-only."""
    x, y = rows(33)
    before, fresh = start(), start()
    after, _ = ENGINE.train(NETWORK, TRAINING, before, x, y, epochs=2)
    assert same(before, fresh)
    for snapshot in (before, after):
        assert not any(array.flags.writeable for array in snapshot.to_tensors()[0].values())


def test_a_check_may_stop_training_before_a_step() -> None:
    """It is called before each step, and what it raises comes through."""
    x, y = rows(10)
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        ENGINE.train(NETWORK, TRAINING, start(), x, y, epochs=9, check=check)
