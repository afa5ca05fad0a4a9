"""How long training becomes requests; without a service."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from convserve_client import ConvserveError, Trained
from convserve_client.training import Plan, run
from convserve_wire.tensors import Array

X, Y = np.arange(23), np.arange(23) * 10


def plan(**changed: Any) -> Plan:
    whole = {"rows": 23, "epochs": 2, "batch_size": 4, "shuffle_seed": 7, "steps_per_request": 2}
    return Plan(**{**whole, "if_match": None, "key": None, **changed})


class Sent:
    """What was sent, as (x, y, options, if_match, key); each makes the next version."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __call__(
        self, x: Array, y: Array, options: Mapping[str, Any], if_match: int | None, key: str | None
    ) -> Trained:
        self.calls.append((x, y, options, if_match, key))
        steps = -(-len(x) // options["batch_size"])
        return Trained(40 + len(self.calls), 0, np.full(steps, len(self.calls), np.float32), "", "")


def test_every_epoch_has_every_row_once_in_its_own_order() -> None:
    """Requests of 8 rows and a rest; the order is NumPy's for (shuffle_seed, epoch), and y goes with x."""
    sent = Sent()
    made = run(sent, X, Y, plan(), False)
    assert [len(x) for x, *_ in sent.calls] == [8, 8, 7] * 2
    epochs = [np.concatenate([x for x, *_ in sent.calls[at : at + 3]]) for at in (0, 3)]
    for epoch, order in enumerate(epochs):
        expected = np.random.Generator(np.random.Philox(key=[7, epoch])).permutation(23)
        assert np.array_equal(order, expected)
    assert not np.array_equal(*epochs)
    assert all(np.array_equal(y, x * 10) for x, y, *_ in sent.calls)
    assert made.version == 46
    assert made.losses.tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]


def test_without_a_seed_the_rows_are_in_order() -> None:
    """In every epoch."""
    sent = Sent()
    run(sent, X, Y, plan(shuffle_seed=None), False)
    assert np.concatenate([x for x, *_ in sent.calls]).tolist() == [*range(23), *range(23)]


def test_a_chain_expects_its_own_versions_under_keys_of_its_own() -> None:
    """The first what the caller says, each later one what the one before it made."""
    sent = Sent()
    run(sent, X, Y, plan(epochs=1, if_match=40, key="mine"), False)
    assert [(if_match, key) for *_, if_match, key in sent.calls] == [(40, "mine-0"), (41, "mine-1"), (42, "mine-2")]


def test_one_request_leaves_everything_to_the_service() -> None:
    """All rows, with epochs and seed as options; progress is told once, at the end."""
    sent, seen = Sent(), []
    run(sent, X, Y, plan(steps_per_request=None, if_match=3, key="k"), lambda *told: seen.append(told))
    ((x, _, options, if_match, key),) = sent.calls
    assert (len(x), if_match, key) == (23, 3, "k")
    assert options == {"epochs": 2, "batch_size": 4, "shuffle_seed": 7}
    assert seen == [(46, 46, 1.0)]


def test_progress_is_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """With the images and the last loss."""
    run(Sent(), X, Y, plan(), True)
    assert "46.0/46.0" in capsys.readouterr().err


@pytest.mark.parametrize("changed", [{"epochs": 0}, {"batch_size": 0}, {"steps_per_request": -1}, {"batch_size": None}])
def test_a_plan_that_is_none_is_refused(changed: dict[str, Any]) -> None:
    """Before anything is sent."""
    with pytest.raises(ConvserveError, match=next(iter(changed))):
        plan(**changed)
