"""Optimizers and their options, and the gradients that both sides are fed: 200 steps, magnitudes over six decades."""

from typing import Any

import numpy as np

from convserve_model import Training
from convserve_model.optimizers import update
from tests.model.sketch import Array, Draw

STEPS, SIZE = 200, 60
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"name": "sgd", "learning_rate": 0.01},
    "sgd, momentum": {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9},
    "sgd, nesterov": {"name": "sgd", "learning_rate": 0.01, "momentum": 0.8, "nesterov": True},
    "sgd, weight decay": {"name": "sgd", "learning_rate": 0.02, "weight_decay": 0.1},
    "sgd, all": {"name": "sgd", "learning_rate": 0.01, "momentum": 0.5, "nesterov": True, "weight_decay": 0.01},
    "adam": {"name": "adam"},
    "adam, weight decay": {"name": "adam", "learning_rate": 0.002, "weight_decay": 0.05},
    "adam, betas and eps": {"name": "adam", "betas": [0.8, 0.99], "eps": 1e-3},
    "adamw": {"name": "adamw"},
    "adamw, weight decay": {"name": "adamw", "learning_rate": 0.003, "weight_decay": 0.2, "betas": [0.5, 0.9]},
    "rmsprop": {"name": "rmsprop"},
    "rmsprop, momentum": {"name": "rmsprop", "learning_rate": 0.002, "momentum": 0.9},
    "rmsprop, all": {
        "name": "rmsprop", "learning_rate": 0.005, "alpha": 0.9, "eps": 1e-4, "momentum": 0.5, "weight_decay": 0.1,
    },
}  # fmt: skip


def start() -> Array:
    """Parameters before the first step, float32 [SIZE]."""
    return Draw(7, 0).array((SIZE,), -1.0, 1.0).astype(np.float32)


def gradients() -> Array:
    """float32 [STEPS,SIZE]; element i has magnitudes around 10 to the power of -4 to 2, signs change."""
    decades = 10.0 ** np.linspace(-4, 2, SIZE)
    return (Draw(7, 1).array((STEPS, SIZE), -1.0, 1.0) * decades).astype(np.float32)


def run(options: dict[str, Any]) -> Array:
    """The parameters after all steps with our optimizer."""
    optimizer = Training.from_dict({"optimizer": options}).optimizer
    params = start()
    slots: dict[str, Array] = {}
    for step, gradient in enumerate(gradients(), start=1):
        params, slots, finite = update(
            optimizer, params, gradient.copy(), slots, rate=optimizer.learning_rate, step=step
        )
        assert finite
    return params
