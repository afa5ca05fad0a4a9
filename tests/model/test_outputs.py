"""Which outputs can be asked for, and that asking for others changes nothing."""

import numpy as np
import pytest

from convserve_model import Engine, ModelError
from tests.model.engine_cases import EVERY, NETWORK, TRAINING, rows, start


def test_outputs_are_the_layers_asked_for() -> None:
    """Each is what the network cut off there gives, under the name that was asked for; `logits` is the last layer's."""
    x, y = rows(40)
    engine, snapshot = Engine(2), start()
    found = engine.infer(NETWORK, snapshot, x, ("logits", "act", "fc", "flat"))
    assert list(found) == ["logits", "act", "fc", "flat"]
    assert found["act"].shape == (40, 6, 9, 7)
    assert found["act"].min() == 0
    np.testing.assert_array_equal(found["logits"], found["fc"])
    np.testing.assert_allclose(
        found["flat"] @ snapshot.parameters["fc.weight"].T + snapshot.parameters["fc.bias"], found["fc"], atol=1e-6
    )
    alone = engine.infer(NETWORK, snapshot, x)
    assert alone["logits"].tobytes() == found["logits"].tobytes()
    with_gradients = engine.gradients(NETWORK, snapshot, x, loss=TRAINING.loss, target=y, outputs=("act", "grad/x"))
    assert with_gradients["act"].tobytes() == found["act"].tobytes()


def test_a_dropout_in_evaluation_is_its_input() -> None:
    """Its output is a copy like any other's."""
    x, _ = rows(3)
    found = Engine().infer(NETWORK, start(), x, ("pool", "drop"))
    np.testing.assert_array_equal(found["pool"], found["drop"])
    assert not np.shares_memory(found["pool"], found["drop"])


OUTPUTS = [("loss", "act"), ("loss",), ("act",), ("logits", "loss"), ("grad/fc.bias",), ("grad/x", "loss", "flat"), ()]


@pytest.mark.parametrize("outputs", OUTPUTS, ids=str)
def test_any_subset_of_outputs_gives_the_same_bits(outputs: tuple[str, ...]) -> None:
    """What else is asked for changes nothing: pruning is exact."""
    x, y = rows(35)
    engine, snapshot = Engine(), start()
    whole = engine.gradients(NETWORK, snapshot, x, loss=TRAINING.loss, target=y, outputs=EVERY)
    part = engine.gradients(NETWORK, snapshot, x, loss=TRAINING.loss, target=y, outputs=outputs)
    assert list(part) == list(outputs)
    assert [name for name in outputs if part[name].tobytes() != whole[name].tobytes()] == []


@pytest.mark.parametrize(
    "outputs",
    [("nothing",), ("grad/nothing",), ("grad/act",), ("x",), ("grad/fc.bias", "fc.bias"), ("grad/bn.running_mean",)],
)
def test_unknown_outputs_are_refused_by_name(outputs: tuple[str, ...]) -> None:
    """A ModelError at `outputs`, whatever else is asked for."""
    x, y = rows(2)
    with pytest.raises(ModelError, match=outputs[-1]) as caught:
        Engine().gradients(NETWORK, start(), x, loss=TRAINING.loss, target=y, outputs=outputs)
    assert caught.value.where == "outputs"
