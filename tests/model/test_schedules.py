"""Learning rates by step."""

from math import cos, pi
from typing import Any

import pytest

from convserve_model import SCHEDULES, Training
from convserve_model.schedules import learning_rate

# the schedule, and the rate of given steps from a base of 1
RATES: dict[str, tuple[dict[str, Any], dict[int, float]]] = {
    "constant": ({"name": "constant"}, {0: 1.0, 10**9: 1.0}),
    "constant, warm-up": ({"name": "constant", "warmup_steps": 4}, {0: 0.25, 1: 0.5, 3: 1.0, 4: 1.0}),
    "step": ({"name": "step", "step_size": 10}, {0: 1.0, 9: 1.0, 10: 0.1, 19: 0.1, 20: 0.01}),
    "step, gamma 0": ({"name": "step", "step_size": 2, "gamma": 0}, {1: 1.0, 2: 0.0}),
    "step, warm-up": ({"name": "step", "step_size": 2, "gamma": 0.5, "warmup_steps": 4}, {0: 0.25, 2: 0.375, 4: 0.25}),
    "cosine": ({"name": "cosine", "t_max": 8}, {0: 1.0, 2: (1 + cos(pi / 4)) / 2, 4: 0.5, 8: 0.0, 100: 0.0}),
    "cosine, eta_min": ({"name": "cosine", "t_max": 2, "eta_min": 0.2}, {0: 1.0, 1: 0.6, 2: 0.2, 3: 0.2}),
    "cosine, warm-up": ({"name": "cosine", "t_max": 4, "warmup_steps": 2}, {0: 0.5, 2: 0.5}),
}


@pytest.mark.parametrize(("spec", "rates"), RATES.values(), ids=RATES)
def test_rates(spec: dict[str, Any], rates: dict[int, float]) -> None:
    """The closed form, with warm-up as a factor of (step + 1) / warmup_steps."""
    schedule = Training.from_dict({"schedule": spec}).schedule
    for step, rate in rates.items():
        assert learning_rate(schedule, 1.0, step) == pytest.approx(rate, rel=1e-12, abs=1e-15)
        assert (
            learning_rate(schedule, 0.3, step) == pytest.approx(0.3 * rate, rel=1e-12, abs=1e-15) or "eta_min" in spec
        )


def test_every_schedule_has_a_row() -> None:
    """Nobody adds a schedule without its rates being checked."""
    assert {spec["name"] for spec, _ in RATES.values()} == set(SCHEDULES)
