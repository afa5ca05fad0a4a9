"""Plans: inference as calls on buffers gives the bits of the kernels' `forward`, again and again, to everybody."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from convserve_model import Engine, Network, Snapshot, Training
from convserve_model.executor import Executor
from convserve_model.plans import MOST, MOST_BYTES, Planned, Plans, Values
from convserve_model.pool import Pool
from convserve_model.prepare import Program, Want, microbatch, prepare
from convserve_model.protocols import Params
from tests.model.engine_cases import NETWORK, rows, start
from tests.model.random_networks import case
from tests.model.sketch import Array, Draw
from tests.model.test_fusion import FLAT, LAYERS, POOL, RELU, conv

X, SNAPSHOT = rows(2)[0], start()
FIXED = [Network.from_dict({"input": [3, 13, 12], "layers": layers}) for layers in LAYERS.values()]
RANDOM = [Network.from_dict(case(seed).architecture) for seed in range(80)]


def prepared(network: Network, n: int, *outputs: str) -> tuple[Program, dict[str, Params]]:
    program = prepare(network, n, Want(outputs=outputs))
    assert program.planned
    return program, program.weights(Snapshot.initial(network, Training(), seed=1).weights())


def drawn(network: Network, n: int, seed: int) -> Array:
    return Draw(seed, n).array((n, *network.input), -1.0, 1.0).astype(np.float32)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("network", [*FIXED, *RANDOM])
def test_a_plan_gives_the_bits_of_forward(network: Network, n: int) -> None:
    """The logits, and every layer's activation, for two inputs one after the other."""
    inputs = [drawn(network, n, seed) for seed in (2, 3)]
    for outputs in ((network.last.name,), network.names):
        program, weights = prepared(network, n, *outputs)
        with np.errstate(all="ignore"):
            planned = Planned(program, weights, inputs[0], map)
            found = [planned.run(x) for x in inputs]
        for x, ours in zip(inputs, found, strict=True):
            theirs = Executor().run(program, weights, x).outputs  # its first run is without a plan
            assert [name for name in theirs if ours[name].tobytes() != theirs[name].tobytes()] == []


def test_the_engine_plans_what_comes_again() -> None:
    """From the second time on, with the same bits; each version of the weights has plans of its own."""
    engine, x, first = Engine(), rows(2)[0], start()
    second = engine.step(
        NETWORK, Training(), first, {name: np.ones_like(value) for name, value in first.parameters.items()}
    )
    for snapshot in (first, second, first):
        expected, *again = (engine.infer(NETWORK, snapshot, x)["logits"] for _ in range(3))
        assert all(expected.tobytes() == other.tobytes() for other in again)
    assert engine.infer(NETWORK, first, x)["logits"].tobytes() != engine.infer(NETWORK, second, x)["logits"].tobytes()


def test_a_plan_is_checked_like_any_other_run() -> None:
    """`check` is called before the one microbatch, the first time and later; what it raises ends the run."""
    engine, asked = Engine(), []
    for number in range(1, 4):
        engine.infer(NETWORK, SNAPSHOT, X, check=lambda: asked.append(None))
        assert len(asked) == number

    def refuse() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        engine.infer(NETWORK, SNAPSHOT, X, check=refuse)


def test_what_a_plan_gives_is_the_callers_own() -> None:
    """It may be written over, and the next run does not change it."""
    network = FIXED[0]
    program, weights = prepared(network, 1, network.last.name)
    planned = Planned(program, weights, drawn(network, 1, 2), map)
    first = planned.run(drawn(network, 1, 2))[network.last.name]
    before = first.copy()
    planned.run(drawn(network, 1, 3))
    assert (first == before).all()
    first[...] = 7
    assert (planned.run(drawn(network, 1, 2))[network.last.name] == before).all()


def test_many_threads_share_plans() -> None:
    """Each run has one for itself: 400 runs on 8 threads give the bits of one thread."""
    network, plans = FIXED[1], Plans()
    program, weights = prepared(network, 1, network.last.name)
    inputs = [drawn(network, 1, seed) for seed in range(10)]
    assert plans.run(program, weights, inputs[0]) is None

    def run(at: int) -> bytes:
        found = plans.run(program, weights, inputs[at % 10])
        assert found is not None
        return found[network.last.name].tobytes()

    expected = [run(at) for at in range(10)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, range(400))) == 40 * expected


@pytest.mark.parametrize("network", FIXED)
def test_microbatches_of_different_sizes_have_plans(network: Network) -> None:
    """A batch that is cut unevenly, on one thread and on three, again and again: the bits of forward."""
    x = drawn(network, 2 * microbatch(network) + 1, 2)
    program, weights = prepared(network, len(x), *network.names)
    assert len(set(program.sizes)) == 2
    for threads in (1, 3):
        executor = Executor(threads)
        expected, *again = (executor.run(program, weights, x).outputs for _ in range(3))
        executor.close()
        for found in again:
            assert [name for name in expected if found[name].tobytes() != expected[name].tobytes()] == []


def test_large_plans_are_fewer() -> None:
    """What they keep together is bounded; one is always kept."""
    plans, x = Plans(), drawn(FIXED[0], 1, 2)
    programs = [prepared(FIXED[0], 1, FIXED[0].last.name) for _ in range(3)]
    kept = [(replace(program, planned=MOST_BYTES // 2), weights) for program, weights in programs]
    assert [plans.run(*each, x) for each in kept] == [None] * 3
    assert plans.run(*kept[1], x) is not None
    assert plans.run(*kept[0], x) is None
    whole = replace(kept[2][0], planned=2 * MOST_BYTES), kept[2][1]
    assert plans.run(*whole, x) is None
    assert plans.run(*whole, x) is not None


def test_plans_are_few() -> None:
    """Those used last stay; one that went is made again, the second time."""
    network, plans = FIXED[0], Plans()
    kept = [prepared(network, 1, network.last.name) for _ in range(MOST + 1)]
    x = drawn(network, 1, 2)
    assert [plans.run(*each, x) for each in kept] == [None] * (MOST + 1)
    assert plans.run(*kept[-1], x) is not None
    assert plans.run(*kept[0], x) is None
    assert plans.run(*kept[0], x) is not None


LARGE = Network.from_dict({
    "input": [16, 32, 32],
    "layers": [conv(64, padding=1), RELU, conv(64, padding=1), RELU, POOL, FLAT, {"type": "linear", "out_features": 5}],
})  # fmt: skip


def test_parts_of_a_plan_run_side_by_side() -> None:
    """Blocks of rows of one image on several threads, each with work space of its own: the bits of one thread."""
    program, weights = prepared(LARGE, 1, LARGE.last.name)
    x, pool = drawn(LARGE, 1, 2), Pool(3)
    alone, shared = (Planned(program, weights, x, over).run(x)[LARGE.last.name] for over in (map, pool.map))
    pool.close()
    assert alone.tobytes() == shared.tobytes()


def test_memory_of_values_is_used_again() -> None:
    """Once nobody reads what is in it; values that lie in the same memory are all waited for."""
    memory = Values()
    first, second = memory.empty((4, 8), np.float32), memory.empty((2, 8), np.float32)
    flat = first.reshape(-1)
    memory.release([first], [flat, second])
    assert not np.shares_memory(memory.empty((4, 8), np.float32), flat)
    memory.release([flat], [second])
    assert np.shares_memory(memory.empty((3, 8), np.float32), flat)
