"""Calls beside others: each once, in their order, and nobody is at them when they are waited for or given up."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import numpy as np
import pytest

from convserve_model import Engine, Network, Snapshot, Training, plans
from convserve_model.beside import Begun, Beside
from convserve_model.kernels import costs
from convserve_model.memory import Values
from convserve_model.pool import Pool
from convserve_model.prepare import microbatch
from convserve_model.protocols import Call, Later, Sides


@pytest.fixture(params=[1, 2, 4])
def beside(request: pytest.FixtureRequest) -> Iterator[Beside]:
    """With a pool of no other thread too: then who waits makes everything."""
    pool = Pool(request.param)
    yield Beside(Sides(request.param, pool.map, pool.begin))
    pool.places.leave()
    pool.close()


def noted(made: list[int], start: int) -> Later:
    """Three parts and what is after them, which note their numbers."""
    return Later([[partial(made.append, start + k)] for k in range(3)], [partial(made.append, start + 3)])


def test_each_call_is_made_once_and_the_last_after_all_others(beside: Beside) -> None:
    for _ in range(200):
        made: list[int] = []
        for start in (0, 10):
            beside.begin(noted(made, start))
        for start in (0, 10):
            beside.wait()
            assert [number for number in made if start <= number < start + 10][-1] == start + 3
        assert sorted(made) == [0, 1, 2, 3, 10, 11, 12, 13]


def test_who_waits_is_told_of_a_failure(beside: Beside) -> None:
    """What is after the parts is not made. All who wait are told, until it is given up."""
    made: list[str] = []

    def fail() -> None:
        raise ValueError("a part")

    beside.begin(Later([[fail], [lambda: None]], [lambda: made.append("after")]))
    for _ in range(2):
        with pytest.raises(ValueError, match="a part"):
            beside.wait()
    beside.stop()
    beside.begin(Later([[lambda: made.append("next")]], []))
    beside.wait()
    assert made == ["next"]


def test_nobody_is_at_what_was_given_up(beside: Beside) -> None:
    running = 0

    def work() -> None:
        nonlocal running
        running += 1
        time.sleep(0.002)
        running -= 1

    for _ in range(20):
        for _ in range(2):
            beside.begin(Later([[work] for _ in range(4)], [work]))
        time.sleep(0.001)
        beside.stop()
        assert running == 0
        time.sleep(0.003)
        assert running == 0


def test_memory_that_is_held_is_not_used_again() -> None:
    """Until it is let go, in the order in which it was held."""
    values = Values()
    first, second, third = (values.empty((8,), np.float32) for _ in range(3))
    values.hold()
    values.release([first], [])
    values.hold()
    values.release([second], [])
    assert id(values.empty((8,), np.float32).base) not in {id(first.base), id(second.base)}
    values.let_go()
    assert values.empty((8,), np.float32).base is first.base
    assert values.empty((8,), np.float32).base is not second.base
    values.let_go()
    values.release([third], [])
    assert {id(values.empty((8,), np.float32).base) for _ in range(2)} == {id(second.base), id(third.base)}


NETWORK = Network.from_dict(
    {
        "input": [3, 16, 16],
        "layers": [
            {"type": "conv2d", "name": "a", "out_channels": 16, "kernel_size": 3, "padding": 1},
            {"type": "batch_norm2d"},
            {"type": "relu", "name": "r"},
            {"type": "conv2d", "out_channels": 32, "kernel_size": 3, "stride": 2, "padding": 1},
            {"type": "batch_norm2d"},
            {"type": "relu"},
            {"type": "conv2d", "out_channels": 32, "kernel_size": 3, "padding": 1},
            {"type": "flatten"},
            {"type": "linear", "out_features": 64},
            {"type": "linear", "out_features": 10},
        ],
    }
)


class Enough(Exception): ...


def test_a_run_that_was_stopped_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it was stopped: the next one has the bits of an engine that never was."""
    monkeypatch.setattr(costs, "BESIDE", 0.0)
    training, snapshot = Training(), Snapshot.initial(NETWORK, Training(), seed=3)
    x = np.random.default_rng(1).standard_normal((5, 3, 16, 16), np.float32)
    y = np.arange(5) % 10
    alone, engine, left = Engine(1), Engine(2), 0
    expected, _ = alone.train(NETWORK, training, snapshot, x, y)

    def check() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Enough

    for stop in range(1, 12):
        left = stop
        with suppress(Enough):
            engine.train(NETWORK, training, snapshot, x, y, check=check)
        found, _ = engine.train(NETWORK, training, snapshot, x, y)
        assert found.params.tobytes() == expected.params.tobytes(), stop
    engine.close()


def test_microbatches_wait_for_packing_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them on three threads, while another one packs slowly what backward needs."""
    monkeypatch.setattr(plans, "MANY", 0)
    begun = Begun._make

    def slowly(self: Begun, calls: list[Call]) -> None:
        time.sleep(0.005)
        begun(self, calls)

    monkeypatch.setattr(Begun, "_make", slowly)
    rows = 3 * microbatch(NETWORK) // 2
    x = np.random.default_rng(1).standard_normal((rows, 3, 16, 16), np.float32)
    three, one, loss = Engine(3), Engine(1), Training().loss
    for seed in range(3):
        snapshot = Snapshot.initial(NETWORK, Training(), seed=seed)
        found, expected = (
            engine.gradients(NETWORK, snapshot, x, loss=loss, target=np.arange(rows) % 10) for engine in (three, one)
        )
        assert [name for name in expected if expected[name].tobytes() != found[name].tobytes()] == []
    three.close()


def test_packing_that_fails_is_told_and_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the caller's CPUs are as before."""
    monkeypatch.setattr(plans, "MANY", 0)
    training, snapshot, before = Training(), Snapshot.initial(NETWORK, Training(), seed=0), os.sched_getaffinity(0)
    x, y = np.ones((2, 3, 16, 16), np.float32), np.array([1, 2])
    engine = Engine(2)
    with monkeypatch.context() as broken:
        broken.setattr(Begun, "_make", lambda self, calls: setattr(self, "_failure", MemoryError()))
        with pytest.raises(MemoryError):
            engine.train(NETWORK, training, snapshot, x, y)
    assert os.sched_getaffinity(0) == before
    (found, _), (expected, _) = (one.train(NETWORK, training, snapshot, x, y) for one in (engine, Engine(1)))
    assert found.params.tobytes() == expected.params.tobytes()
    engine.close()
