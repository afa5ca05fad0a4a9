"""Optimizers, clipping and schedules against PyTorch."""

from typing import Any

import numpy as np
import pytest
import torch

from convserve_model import Training
from convserve_model.optimizers import clip_norm
from convserve_model.schedules import learning_rate
from tests.model.optimizer_cases import OPTIMIZERS, gradients, run
from tests.oracle.torch_optimizers import torch_run

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("options", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_two_hundred_steps_are_pytorchs(options: dict[str, Any]) -> None:
    """Fed the same 200 gradients over six decades, the parameters agree within 2e-6 of the largest."""
    ours, theirs = run(options), torch_run(options)
    assert ours.dtype == np.float32
    assert np.abs(ours - theirs).max() <= 2e-6 * np.abs(theirs).max()


@pytest.mark.parametrize("limit", [1e-3, 0.5, 1.0, 30.0, 1e6])
def test_clipping_is_pytorchs(limit: float) -> None:
    """One norm over all parameters, scaled to the limit where it is larger: within 1e-6."""
    rows = gradients()[::20]
    params = [torch.zeros(row.size, requires_grad=True) for row in rows]
    for param, row in zip(params, rows, strict=True):
        param.grad = torch.tensor(row)
    torch.nn.utils.clip_grad_norm_(params, limit)
    vector = rows.reshape(-1).copy()
    clip_norm(vector, limit)
    wanted = np.concatenate([param.grad.numpy() for param in params if param.grad is not None])
    np.testing.assert_allclose(vector, wanted, rtol=1e-6)


def test_clipping_holds_for_huge_gradients() -> None:
    """The norm is taken in float64: gradients whose squares overflow float32 are clipped, not zeroed."""
    vector = np.array([3e25, 4e25], np.float32)
    clip_norm(vector, 1.0)
    np.testing.assert_allclose(vector, [0.6, 0.8], rtol=1e-6)


STEP, COSINE = torch.optim.lr_scheduler.StepLR, torch.optim.lr_scheduler.CosineAnnealingLR
SCHEDULES: list[tuple[dict[str, Any], Any, dict[str, Any]]] = [
    ({"name": "step", "step_size": 1}, STEP, {"step_size": 1}),
    ({"name": "step", "step_size": 7, "gamma": 0.5}, STEP, {"step_size": 7, "gamma": 0.5}),
    ({"name": "cosine", "t_max": 40}, COSINE, {"T_max": 40}),
    ({"name": "cosine", "t_max": 30, "eta_min": 0.01}, COSINE, {"T_max": 30, "eta_min": 0.01}),
]


@pytest.mark.parametrize(("spec", "scheduler", "options"), SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 5])
def test_schedules_are_pytorchs(spec: dict[str, Any], scheduler: Any, options: dict[str, Any], warmup: int) -> None:
    """The rate of every step is the scheduler's (until t_max), times PyTorch's linear ramp while warming up."""
    base = 0.1
    schedule = Training.from_dict({"schedule": {**spec, "warmup_steps": warmup}}).schedule
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    theirs = scheduler(optimizer, **options)
    ramp = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    linear = torch.optim.lr_scheduler.LinearLR(ramp, start_factor=1 / max(warmup, 1), total_iters=max(warmup - 1, 1))
    for step in range(options.get("T_max", 40) + 1):
        factor = linear.get_last_lr()[0] if warmup else 1.0
        assert learning_rate(schedule, base, step) == pytest.approx(
            theirs.get_last_lr()[0] * factor, rel=1e-9, abs=1e-15
        )
        for stepped in (optimizer, ramp):
            stepped.step()
        for scheduled in (theirs, linear):
            scheduled.step()
