"""Training steps that are refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convserve_model import Engine, InputError, Network, NonFiniteError, Snapshot, Training, WeightsError
from tests.model.engine_cases import NETWORK, TRAINING, rows, start

ENGINE = Engine()


def nan(shape: tuple[int, ...]) -> Any:
    return np.full(shape, np.nan, np.float32)


def test_a_step_that_is_not_finite_is_refused() -> None:
    """A NaN among the gradients, or a step that overflows, is an error and not a snapshot."""
    ones = {name: np.ones(spec.shape, np.float32) for name, spec in NETWORK.specs.items() if spec.trainable}
    with pytest.raises(NonFiniteError, match="step 1"):
        ENGINE.step(NETWORK, TRAINING, start(), {**ones, "fc.bias": nan((4,))})
    wild = Training.from_dict({"optimizer": {"name": "sgd", "learning_rate": 1e38}})
    with pytest.raises(NonFiniteError, match="learning rate"):
        ENGINE.step(NETWORK, wild, start(), {name: 1e10 * array for name, array in ones.items()})
    with pytest.raises(NonFiniteError):
        ENGINE.step(NETWORK, TRAINING, start(), ones, {"bn.running_mean": nan((6,))})


def test_training_that_diverges_is_refused() -> None:
    """A learning rate far too large ends in NonFiniteError, without a warning on the way."""
    network = Network.from_dict({
        "input": [1, 2, 2], "layers": [{"type": "flatten"}, {"type": "linear", "name": "fc", "out_features": 2}],
    })  # fmt: skip
    training = Training.from_dict({"loss": {"name": "mse"}, "optimizer": {"name": "sgd", "learning_rate": 1e6}})
    x, y = np.ones((4, 1, 2, 2), np.float32), np.ones((4, 2), np.float32)
    with pytest.raises(NonFiniteError, match="learning rate"):
        ENGINE.train(network, training, Snapshot.initial(network, training, seed=1), x, y, epochs=100)


GRADIENTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str, str]] = {
    "one is missing": (lambda g: g.pop("fc.bias"), "'fc.bias' is missing", "grad/fc.bias"),
    "one too many": (lambda g: g.update(other=np.zeros(1)), "no parameter 'other'", "grad/other"),
    "another shape": (lambda g: g.update({"fc.bias": np.zeros(3)}), r"shape \[3\], not \[4\]", "grad/fc.bias"),
}


@pytest.mark.parametrize(("change", "said", "where"), GRADIENTS.values(), ids=GRADIENTS)
def test_gradients_that_do_not_fit_are_refused(change: Callable[[dict[str, Any]], Any], said: str, where: str) -> None:
    """The message names the parameter."""
    gradients = {name: np.zeros_like(view) for name, view in start().parameters.items()}
    change(gradients)
    with pytest.raises(WeightsError, match=said) as caught:
        ENGINE.step(NETWORK, TRAINING, start(), gradients)
    assert caught.value.where == where


def test_buffers_that_do_not_fit_are_refused() -> None:
    """Unknown names and other shapes."""
    gradients = {name: np.zeros_like(view) for name, view in start().parameters.items()}
    for buffers, said in (
        ({"bn.other": np.zeros(6)}, "'bn.other'"),
        ({"bn.running_mean": np.zeros(5)}, r"\[5\], not \[6\]"),
    ):
        with pytest.raises(WeightsError, match=said):
            ENGINE.step(NETWORK, TRAINING, start(), gradients, buffers)


def test_no_rows_are_refused() -> None:
    """Training and evaluating on nothing is an InputError."""
    x, y = rows(2)
    with pytest.raises(InputError):
        ENGINE.evaluate(NETWORK, start(), x[:0], y[:0], loss=TRAINING.loss)
    with pytest.raises(InputError):
        ENGINE.train(NETWORK, TRAINING, start(), x[:0], y[:0])
