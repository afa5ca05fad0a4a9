"""Passes that are kept give the bits of fresh ones, again and again, to everybody."""

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from convserve_model import Engine, Network, Snapshot, Training, plans
from convserve_model.executor import Executor
from convserve_model.kernels import costs
from convserve_model.memory import Values
from convserve_model.passes import Pass
from convserve_model.plans import MOST, MOST_BYTES, Idle, Plans
from convserve_model.pool import Pool
from convserve_model.prepare import Program, Want, Weights, microbatch, prepare
from convserve_model.protocols import ONE, Sides
from tests.model.engine_cases import NETWORK, rows, start
from tests.model.random_networks import case
from tests.model.sketch import Array, Draw
from tests.model.test_fusion import FLAT, LAYERS, POOL, RELU, conv
from tests.model.test_spending import careful

X, SNAPSHOT = rows(2)[0], start()
FIXED = [Network.from_dict({"input": [3, 13, 12], "layers": layers}) for layers in LAYERS.values()]
RANDOM = [Network.from_dict(case(seed).architecture) for seed in range(80)]


def prepared(network: Network, n: int, *outputs: str) -> tuple[Program, Weights]:
    program = prepare(network, n, Want(outputs=outputs))
    assert program.planned
    return program, program.weights(Snapshot.initial(network, Training(), seed=1).weights())


def drawn(network: Network, n: int, seed: int) -> Array:
    return Draw(seed, n).array((n, *network.input), -1.0, 1.0).astype(np.float32)


def kept(program: Program, weights: Weights, sides: Sides = ONE) -> Pass:
    return Pass(program, weights.packed, sides, kept=True)


def comes_again(plans: Plans, program: Program, weights: Weights) -> bool:
    """Whether its passes are kept."""
    return isinstance(plans.of(program, weights, np.dtype(np.float32)), Idle)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("network", [*FIXED, *RANDOM])
def test_a_kept_pass_gives_the_bits_of_fresh_ones(network: Network, n: int) -> None:
    """The logits, and every layer's activation, for two inputs one after the other."""
    inputs = [drawn(network, n, seed) for seed in (2, 3)]
    for outputs in ((network.last.name,), network.names):
        program, weights = prepared(network, n, *outputs)
        with np.errstate(all="ignore"):
            ours = kept(program, weights)
            found = [ours.infer(x) for x in inputs]
            fresh = [Pass(program, weights.packed, kept=False).infer(x) for x in inputs]
        for one, other in zip(found, fresh, strict=True):
            assert [array.tobytes() for array in one] == [array.tobytes() for array in other]


def everything(network: Network, *, train: bool) -> Want:
    values = "x", network.names[0]
    return Want(network.names[-2:], frozenset(network.parameters), values, loss=True, train=train)


def something(network: Network, *, train: bool) -> Want:
    """What lies before has no gradient, but weights that change."""
    values = (network.names[len(network.names) // 2],)
    return Want((), frozenset([*network.parameters][-2:]), values, loss=True, train=train)


@pytest.mark.parametrize("train", [True, False], ids=["training", "evaluating"])
@pytest.mark.parametrize(
    ("network", "asked"),
    [(one, everything) for one in [*FIXED, *RANDOM[::2]]] + [(one, something) for one in RANDOM[1::2]],
)
def test_kept_gradients_have_the_bits_of_fresh_ones(
    network: Network, asked: Callable[..., Want], train: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other weights, rows, targets and random numbers each time, and all that may come later coming later."""
    monkeypatch.setattr(costs, "BESIDE", 0.0)
    monkeypatch.setattr(plans, "MANY", 0)
    want = asked(network, train=train)
    for n in (3, 2 * microbatch(network) + 1):
        program, plain = prepare(network, n, want), careful(prepare(network, n, want))
        assert program.planned
        executor, fresh = Executor(2), Executor(1)
        for seed in range(3):
            tensors = Snapshot.initial(network, Training(), seed=seed).weights()
            weights = program.weights(tensors)
            ours = gradients(executor, program, weights, network, n, seed)
            theirs = gradients(fresh, plain, plain.weights(tensors), network, n, seed)
            assert [name for name in theirs if ours[name].tobytes() != theirs[name].tobytes()] == []
            spoil(executor)
        assert comes_again(executor._plans, program, weights)
        executor.close()
        fresh.close()


def spoil(executor: Executor) -> None:
    """Writes NaN over all values that passes keep: none may be needed in the next run."""
    for memory in (mapped for this in kept_passes(executor) for mapped in values_of(this)._mapped):
        np.frombuffer(memory._memory, np.uint8)[: memory.used] = 0xFF


def kept_passes(executor: Executor) -> list[Pass]:
    sources = [*executor._plans._known.values(), *executor._plans._large.values()]
    return [this for source in sources for idle in source._idle.values() for this in idle]


def values_of(this: Pass) -> Values:
    assert isinstance(this._memory, Values)
    return this._memory


@pytest.mark.parametrize("most", [MOST_BYTES, 0])
def test_large_plans_give_their_memory_back_once_the_steps_end(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before: the next step would take it page by page again."""
    monkeypatch.setattr(plans, "MOST_BYTES", most)
    engine, training, (x, y) = Engine(2), Training(), rows(40)
    expected = [loss for _, loss in engine.steps(NETWORK, training, start(), [(x, y)] * 4)]

    def touched() -> bool:
        memories = [mapped for this in kept_passes(engine._executor) for mapped in values_of(this)._mapped]
        return any(np.frombuffer(memory._memory, np.uint8)[: memory.used].any() for memory in memories)

    assert touched() is (most > 0)
    for step, (_, loss) in enumerate(engine.steps(NETWORK, training, start(), [(x, y)] * 4)):
        assert loss == expected[step]
        assert touched()
    assert touched() is (most > 0)


def test_a_large_plan_and_small_ones_leave_each_other_alone() -> None:
    """One large program is kept, whatever else comes between its steps."""
    plans, dtype, want = Plans(), np.dtype(np.float32), Want(params=frozenset(NETWORK.parameters), train=True)
    large = [replace(prepare(NETWORK, 4, want), planned=MOST_BYTES + 1) for _ in range(2)]
    weights = [program.weights(start().weights()) for program in large]
    first = plans.of(large[0], weights[0], dtype)
    first.end()
    small = prepared(FIXED[0], 1, FIXED[0].last.name)
    assert not comes_again(plans, *small)
    assert comes_again(plans, *small)
    assert plans.of(large[0], weights[0], dtype) is first
    first.end()
    plans.of(large[1], weights[1], dtype).end()
    assert plans.of(large[0], weights[0], dtype) is not first
    assert comes_again(plans, *small)


def test_gradients_have_the_type_of_the_weights() -> None:
    """One engine, asked for the same in float32 and in float64 by turns."""
    engine, training = Engine(), Training()
    for dtype in (np.float32, np.float64) * 3:
        snapshot = Snapshot.initial(NETWORK, training, seed=1, dtype=dtype)
        x, y = rows(2)
        found = engine.gradients(NETWORK, snapshot, x.astype(dtype), loss=training.loss, target=y, outputs=("grad/x",))
        assert found["grad/x"].dtype == dtype


def test_what_is_not_kept_is_gone_at_once() -> None:
    """Without the garbage collector: after a run, and after one that was stopped."""
    engine, training, snapshot = Engine(), Training(), start()
    x, y = rows(4)
    gc.collect()
    gc.disable()
    try:
        before = passes()
        engine.infer(NETWORK, snapshot, x[:2])
        with pytest.raises(TimeoutError):
            engine.train(NETWORK, training, snapshot, x, y, check=stopping(2))
        assert passes() == before
    finally:
        gc.enable()


def passes() -> int:
    return sum(isinstance(one, Pass) for one in gc.get_objects())


def stopping(after: int) -> Callable[[], None]:
    calls = count(1)

    def check() -> None:
        if next(calls) == after:
            raise TimeoutError

    return check


def gradients(
    executor: Executor, program: Program, weights: Weights, network: Network, n: int, seed: int
) -> dict[str, Array]:
    grads = {name: np.zeros(network.specs[name].shape, np.float32) for name in program.want.params}
    x, target = drawn(network, n, seed), (np.arange(n) + seed) % network.classes
    result = executor.run(
        program, weights, x, loss=Training().loss, target=target, key=(seed, seed), grads=grads
    )  # fmt: skip
    values = {f"to {name}": value for name, value in result.gradients.items()}
    return {"loss": np.array(result.loss), **result.outputs, **values, **result.moments, **grads}


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
    ours = kept(*prepared(network, 1, network.last.name))
    (first,) = ours.infer(drawn(network, 1, 2))
    before = first.copy()
    ours.infer(drawn(network, 1, 3))
    assert (first == before).all()
    first[...] = 7
    assert (ours.infer(drawn(network, 1, 2))[0] == before).all()


def test_many_threads_share_plans() -> None:
    """Each run has one for itself: 400 runs on 8 threads give the bits of one thread."""
    network, executor = FIXED[1], Executor()
    program, weights = prepared(network, 1, network.last.name)
    inputs = [drawn(network, 1, seed) for seed in range(10)]

    def run(at: int) -> bytes:
        return executor.run(program, weights, inputs[at % 10]).outputs[network.last.name].tobytes()

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
    plans = Plans()
    programs = [prepared(FIXED[0], 1, FIXED[0].last.name) for _ in range(3)]
    large = [(replace(program, planned=MOST_BYTES // 2), weights) for program, weights in programs]
    assert [comes_again(plans, *each) for each in large] == [False] * 3
    assert comes_again(plans, *large[1])
    assert not comes_again(plans, *large[0])
    whole = replace(large[2][0], planned=2 * MOST_BYTES), large[2][1]
    assert not comes_again(plans, *whole)
    assert comes_again(plans, *whole)


def test_plans_are_few() -> None:
    """Those used last stay; one that went is made again, the second time."""
    network, plans = FIXED[0], Plans()
    many = [prepared(network, 1, network.last.name) for _ in range(MOST + 1)]
    assert [comes_again(plans, *each) for each in many] == [False] * (MOST + 1)
    assert comes_again(plans, *many[-1])
    assert not comes_again(plans, *many[0])
    assert comes_again(plans, *many[0])


def test_gradients_at_once_have_passes_of_their_own() -> None:
    """Several threads that ask for gradients with weights of their own get the bits of one thread."""
    network, executor = FIXED[1], Executor(2)
    want = Want(params=frozenset(network.parameters), loss=True)
    program = prepare(network, 3, want)
    weights = [program.weights(Snapshot.initial(network, Training(), seed=seed).weights()) for seed in range(4)]

    def run(at: int) -> list[bytes]:
        found = gradients(executor, program, weights[at % 4], network, 3, at % 4)
        return [array.tobytes() for array in found.values()]

    expected = [run(at) for at in range(4)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, range(200))) == 50 * expected
    executor.close()


LARGE = Network.from_dict({
    "input": [16, 32, 32],
    "layers": [conv(64, padding=1), RELU, conv(64, padding=1), RELU, POOL, FLAT, {"type": "linear", "out_features": 5}],
})  # fmt: skip


def test_parts_of_a_plan_run_side_by_side() -> None:
    """Blocks of rows of one image on several threads, each with work space of its own: the bits of one thread."""
    program, weights = prepared(LARGE, 1, LARGE.last.name)
    x, pool = drawn(LARGE, 1, 2), Pool(3)
    (alone,), (shared,) = (kept(program, weights, sides).infer(x) for sides in (ONE, Sides(3, pool.map)))
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
