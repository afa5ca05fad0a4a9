"""Losses: values by their definition, extremes, and targets that do not fit."""

from math import log
from typing import Any

import numpy as np
import pytest

from convserve_model import Engine, InputError, ModelError, Network, Snapshot, TargetError, Training

NETWORK = Network.from_dict({"input": [3, 1, 1], "layers": [{"type": "flatten"}]})
SNAPSHOT = Snapshot.initial(NETWORK, Training(), seed=0)
HUGE = [[1e4, -1e4, 0.0]]
# loss, logits, target, value
VALUES: dict[str, tuple[dict[str, Any], list[list[float]], Any, float]] = {
    "cross_entropy": ({"name": "cross_entropy"}, [[0.0, 0.0, 0.0]], [1], log(3)),
    "cross_entropy, mean over rows": ({"name": "cross_entropy"}, [[0.0, 0.0, 0.0], HUGE[0]], [1, 0], log(3) / 2),
    "cross_entropy, huge logits": ({"name": "cross_entropy"}, HUGE, [1], 2e4),
    "cross_entropy, probabilities": ({"name": "cross_entropy"}, HUGE, [[0.5, 0.5, 0.0]], 1e4),
    "cross_entropy, smoothing": ({"name": "cross_entropy", "label_smoothing": 0.3}, HUGE, [0], 0.1 * 3e4),
    "mse": ({"name": "mse"}, [[1.0, 2.0, 3.0]], [[0.0, 0.0, 1.0]], 3.0),
    "l1": ({"name": "l1"}, [[1.0, -2.0, 3.0]], [[0.0, 0.0, 0.0]], 2.0),
    "huber": ({"name": "huber", "delta": 2.0}, [[1.0, -4.0, 0.0]], [[0.0, 0.0, 0.0]], (0.5 + 2 * (4 - 1)) / 3),
    "bce_with_logits": ({"name": "bce_with_logits"}, [[0.0, 0.0, 0.0]], [[1.0, 0.0, 0.5]], log(2)),
    "bce_with_logits, huge logits": ({"name": "bce_with_logits"}, HUGE, [[0.0, 0.0, 0.0]], (1e4 + log(2)) / 3),
}


def gradients(loss: dict[str, Any], logits: Any, target: Any) -> dict[str, Any]:
    x = np.array(logits, np.float32)[..., None, None]
    y = np.array(target) if np.array(target).dtype.kind == "i" else np.array(target, np.float32)
    options = Training.from_dict({"loss": loss})
    return Engine().gradients(NETWORK, SNAPSHOT, x, loss=options.loss, target=y, outputs=("loss", "grad/x"))


@pytest.mark.parametrize(("loss", "logits", "target", "value"), VALUES.values(), ids=VALUES)
def test_values(loss: dict[str, Any], logits: Any, target: Any, value: float) -> None:
    """The mean by its definition, also where an exponential would overflow; gradients are finite."""
    found = gradients(loss, logits, target)
    assert found["loss"][0] == pytest.approx(value, rel=1e-6)
    assert np.isfinite(found["grad/x"]).all()


def test_the_derivative_of_l1_at_0_is_0() -> None:
    """As |x|' is in PyTorch."""
    assert not gradients({"name": "l1"}, [[0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]])["grad/x"].any()


WRONG: dict[str, tuple[str, Any, str, str]] = {
    "label too large": ("cross_entropy", np.array([0, 3]), r"y\[1\] is 3.*0 to 2", "y[1]"),
    "negative label": ("cross_entropy", np.array([-1, 0]), r"y\[0\] is -1", "y[0]"),
    "too few labels": ("cross_entropy", np.array([0]), r"shape \[1\].*\[2\]", "y"),
    "a column of labels": ("cross_entropy", np.array([[0], [1]]), r"shape \[2, 1\]", "y"),
    "probabilities of other classes": ("cross_entropy", np.zeros((2, 4), np.float32), r"\[2, 4\].*\[2, 3\]", "y"),
    "truth values": ("cross_entropy", np.array([True, False]), "bool", "y"),
    "labels for values": ("mse", np.array([0, 1]), "int64.*floating-point", "y"),
    "one value for each row": ("l1", np.zeros(2, np.float32), r"\[2\].*\[2, 3\]", "y"),
    "not a number": ("huber", np.full((2, 3), np.nan, np.float32), "NaN", "y"),
}


@pytest.mark.parametrize(("loss", "y", "said", "where"), WRONG.values(), ids=WRONG)
def test_targets_that_do_not_fit_are_refused(loss: str, y: Any, said: str, where: str) -> None:
    """The message names the element, or the shape that was got and the one that is needed."""
    x = np.zeros((2, 3, 1, 1), np.float32)
    options = Training.from_dict({"loss": {"name": loss}})
    with pytest.raises(TargetError, match=said) as caught:
        Engine().gradients(NETWORK, SNAPSHOT, x, loss=options.loss, target=y)
    assert caught.value.where == where


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint64])
def test_labels_may_be_any_integer(kind: Any) -> None:
    """uint8 and uint64 labels are class indices like int64 ones."""
    loss = Training().loss
    x = np.zeros((2, 3, 1, 1), np.float32)
    found = Engine().gradients(NETWORK, SNAPSHOT, x, loss=loss, target=np.array([0, 2], kind), outputs=("loss",))
    assert found["loss"][0] == pytest.approx(log(3), rel=1e-6)


def test_a_cotangent_takes_the_place_of_the_loss() -> None:
    """Its shape and type are checked, and there is no loss to ask for."""
    x, loss = np.zeros((2, 3, 1, 1), np.float32), Training().loss
    cotangent = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = Engine().gradients(NETWORK, SNAPSHOT, x, loss=loss, cotangent=cotangent, outputs=("grad/x",))
    np.testing.assert_array_equal(found["grad/x"].reshape(2, 3), cotangent)
    with pytest.raises(TargetError, match=r"\[2, 2\]"):
        Engine().gradients(NETWORK, SNAPSHOT, x, loss=loss, cotangent=cotangent[:, :2], outputs=("grad/x",))
    with pytest.raises(ModelError, match="'loss' needs the input y"):
        Engine().gradients(NETWORK, SNAPSHOT, x, loss=loss, cotangent=cotangent, outputs=("loss",))


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((2, 3, 1), np.float32),
        np.zeros((2, 1, 3, 1), np.float32),
        np.zeros((0, 3, 1, 1), np.float32),
        np.zeros((2, 3, 1, 1)),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x: Any) -> None:
    """Another shape, no row at all, another dtype."""
    with pytest.raises(InputError) as caught:
        Engine().infer(NETWORK, SNAPSHOT, x)
    assert caught.value.where == "x"
