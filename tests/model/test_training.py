"""Training options: what is refused and where, defaults, overrides."""

from typing import Any

import pytest

from convserve_model import OPTIMIZERS, OptionError, Training

BAD: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "unknown field": ({"lr": 1}, "has no field 'lr'", None),
    "unknown loss": ({"loss": {"name": "hinge"}}, "'hinge'.*cross_entropy", "loss.name"),
    "loss without a name": ({"loss": {}}, "None", "loss.name"),
    "another loss's option": ({"loss": {"name": "mse", "delta": 1.0}}, "mse has no field 'delta'", None),
    "label smoothing": ({"loss": {"name": "cross_entropy", "label_smoothing": 1.1}}, "0 to 1", "loss.label_smoothing"),
    "huber's delta": ({"loss": {"name": "huber", "delta": 0}}, "above 0", "loss.delta"),
    "unknown optimizer": ({"optimizer": {"name": "lion"}}, "'lion'.*sgd", "optimizer.name"),
    "learning rate": ({"optimizer": {"name": "sgd", "learning_rate": -1}}, "at least 0", "optimizer.learning_rate"),
    "not a number": ({"optimizer": {"name": "sgd", "learning_rate": float("nan")}}, "nan", "optimizer.learning_rate"),
    "infinite": ({"optimizer": {"name": "adam", "learning_rate": float("inf")}}, "inf", "optimizer.learning_rate"),
    "beyond a float": (
        {"optimizer": {"name": "sgd", "learning_rate": 10**400}},
        "at least 0",
        "optimizer.learning_rate",
    ),
    "text": ({"optimizer": {"name": "sgd", "learning_rate": "0.1"}}, "'0.1'", "optimizer.learning_rate"),
    "true": ({"optimizer": {"name": "sgd", "momentum": True}}, "True", "optimizer.momentum"),
    "nesterov alone": ({"optimizer": {"name": "sgd", "nesterov": True}}, "without momentum", "optimizer.nesterov"),
    "beta of 1": ({"optimizer": {"name": "adam", "betas": [0.9, 1.0]}}, "below 1", "optimizer.betas"),
    "one beta": ({"optimizer": {"name": "adamw", "betas": [0.9]}}, "pair", "optimizer.betas"),
    "eps": ({"optimizer": {"name": "adam", "eps": 0}}, "above 0", "optimizer.eps"),
    "rmsprop's alpha": ({"optimizer": {"name": "rmsprop", "alpha": -0.1}}, "at least 0", "optimizer.alpha"),
    "unknown schedule": ({"schedule": {"name": "linear"}}, "'linear'.*cosine", "schedule.name"),
    "step without its size": ({"schedule": {"name": "step"}}, "step_size", "schedule"),
    "step size": ({"schedule": {"name": "step", "step_size": 0}}, "at least 1", "schedule.step_size"),
    "half a step": ({"schedule": {"name": "cosine", "t_max": 1.5}}, "1.5", "schedule.t_max"),
    "warm-up": ({"schedule": {"name": "constant", "warmup_steps": -1}}, "at least 0", "schedule.warmup_steps"),
    "clipping": ({"clip_grad_norm": 0}, "above 0, or null", "clip_grad_norm"),
}


@pytest.mark.parametrize(("spec", "said", "where"), BAD.values(), ids=BAD)
def test_bad_options_are_refused_where_they_are(spec: dict[str, Any], said: str, where: str | None) -> None:
    """The message says what was got and what is needed; `where` is the field's path."""
    with pytest.raises(OptionError, match=said) as caught:
        Training.from_dict(spec)
    assert where is None or caught.value.where == where


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_json_form_round_trips(name: str) -> None:
    """to_dict fills in every default, and from_dict gives the same back."""
    training = Training.from_dict({"optimizer": {"name": name}, "clip_grad_norm": 2.0, "loss": {"name": "huber"}})
    assert Training.from_dict(training.to_dict()) == training


def test_nothing_is_plain_sgd_with_cross_entropy() -> None:
    """The defaults, and null is the same as nothing."""
    assert Training.from_dict({}) == Training() == Training.from_dict({"optimizer": None, "schedule": None})
    assert Training().to_dict() == {
        "loss": {"name": "cross_entropy", "label_smoothing": 0.0},
        "optimizer": {"name": "sgd", "learning_rate": 1e-3, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
        "schedule": {"name": "constant", "warmup_steps": 0},
        "clip_grad_norm": None,
    }


def test_an_override_changes_numbers_only() -> None:
    """What is not overridden stays; null unsets clipping; another family is refused by name."""
    training = Training.from_dict({"optimizer": {"name": "sgd", "momentum": 0.9}, "clip_grad_norm": 1.0})
    changed = training.override({"optimizer": {"learning_rate": 0.5}, "clip_grad_norm": None})
    wanted = {"optimizer": {"name": "sgd", "learning_rate": 0.5, "momentum": 0.9}}
    assert changed == Training.from_dict(wanted)
    with pytest.raises(OptionError, match=r"'adam'.*'sgd'") as caught:
        training.override({"optimizer": {"name": "adam"}})
    assert caught.value.where == "optimizer.name"
