"""Snapshots: initialisation, files, and weights that do not fit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convserve_model import Engine, Snapshot, Training, WeightsError, safetensors
from tests.model.engine_cases import NETWORK, TRAINING, rows, same, start
from tests.model.sketch import Array


def trained() -> Snapshot:
    x, y = rows(40)
    return Engine().train(NETWORK, TRAINING, start(), x, y, epochs=2)[0]


def test_initialisation_is_pytorchs_default() -> None:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weight and bias, batch norm 1 and 0; a pure function of the seed."""
    snapshot = start()
    for name, fan_in in {"conv": 2 * 9, "conv2": 3 * 9, "fc": 6 * 4 * 3}.items():
        values = np.concatenate([snapshot.parameters[f"{name}.{part}"].reshape(-1) for part in ("weight", "bias")])
        assert np.abs(values).max() <= fan_in**-0.5
        assert np.abs(values).max() > 0.9 * fan_in**-0.5
        assert values.std() == pytest.approx((fan_in * 3) ** -0.5, rel=0.15)
    weights = snapshot.weights()
    constants = {"bn.weight": 1, "bn.bias": 0, "bn.running_mean": 0, "bn.running_var": 1, "bn.num_batches_tracked": 0}
    assert all((weights[name] == value).all() for name, value in constants.items())
    assert same(snapshot, start())
    assert not same(snapshot, Snapshot.initial(NETWORK, TRAINING, seed=6))


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
def test_files_round_trip(name: str) -> None:
    """to_tensors, a file, from_tensors: the same bits, and training goes on with the same bits."""
    momentum = {"momentum": 0.9} if name in ("sgd", "rmsprop") else {}
    training = Training.from_dict({"optimizer": {"name": name, **momentum}})
    x, y = rows(20)
    snapshot, _ = Engine().train(NETWORK, training, start(), x, y, epochs=2)
    file = b"".join(safetensors.serialize(*snapshot.to_tensors()))
    again = Snapshot.from_tensors(NETWORK, training, *safetensors.deserialize(file))
    assert same(snapshot, again)
    more = [Engine().train(NETWORK, training, each, x, y)[0] for each in (snapshot, again)]
    assert same(*more)


def test_a_file_in_our_order_is_not_copied() -> None:
    """Parameters of a file that we wrote are views of its bytes."""
    file = b"".join(safetensors.serialize(*trained().to_tensors()))
    tensors, metadata = safetensors.deserialize(file)
    again = Snapshot.from_tensors(NETWORK, TRAINING, tensors, metadata)
    raw = np.frombuffer(file, np.uint8)
    assert np.shares_memory(again.params, raw)
    assert all(np.shares_memory(slot, raw) for slot in again.slots.values())


def test_names_are_pytorchs() -> None:
    """layer.weight, layer.bias, running statistics, and optimizer/<slot>/<parameter>; step and age in the metadata."""
    tensors, metadata = trained().to_tensors()
    assert set(start().weights()) < set(tensors)
    assert {name for name in tensors if name.startswith("optimizer/")} == {
        f"optimizer/{slot}/{name}" for slot in ("exp_avg", "exp_avg_sq") for name in NETWORK.parameters
    }
    assert metadata == {"step": "2", "age": "2"}


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_other_weights_keep_the_step_and_start_the_optimizer_afresh(kind: Any) -> None:
    """Any floating-point type becomes the network's; the batch count may be missing."""
    other = {name: array.astype(kind) for name, array in start().weights().items() if array.dtype.kind == "f"}
    changed = trained().with_weights(NETWORK, other)
    assert (changed.step, changed.age, dict(changed.slots)) == (2, 0, {})
    assert changed.dtype == np.float32
    for name, array in other.items():
        np.testing.assert_array_equal(changed.weights()[name], array)
    assert changed.buffers["bn.num_batches_tracked"] == 0


BAD: dict[str, tuple[Callable[[dict[str, Array]], Any], str, str]] = {
    "missing": (lambda t: t.pop("fc.bias"), r"lacks tensor 'fc.bias' of shape \[4\]", "fc.bias"),
    "unknown": (lambda t: t.update(other=np.zeros(1)), "'other', which the model lacks", "other"),
    "shape": (lambda t: t.update({"fc.bias": np.zeros(5)}), r"shape \[5\].*needs \[4\]", "fc.bias"),
    "integers": (lambda t: t.update({"fc.bias": np.zeros(4, np.int64)}), "int64.*floating-point", "fc.bias"),
    "a count that is none": (
        lambda t: t.update({"bn.num_batches_tracked": np.array(1.0)}),
        "integer",
        "bn.num_batches_tracked",
    ),
    "not a number": (lambda t: t.update({"fc.bias": np.full(4, np.nan)}), "NaN", "fc.bias"),
    "overflow": (lambda t: t.update({"fc.bias": np.full(4, 1e39)}), "too large for float32", "fc.bias"),
}


@pytest.mark.parametrize(("change", "said", "where"), BAD.values(), ids=BAD)
def test_weights_that_do_not_fit_are_refused(change: Callable[[dict[str, Array]], Any], said: str, where: str) -> None:
    """The message names the tensor, what it is and what it must be."""
    tensors = dict(start().weights())
    change(tensors)
    with pytest.raises(WeightsError, match=said) as caught:
        start().with_weights(NETWORK, tensors)
    assert caught.value.where == where
