"""Cases that are nowhere near a kink, where rounding would decide the derivative."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

from tests.model.random_networks import Case, case
from tests.oracle.torch_network import Answer, answer

KINK = 1e-6  # nearer than this, relative to the tensor's largest value


def settled(seed: int, *, small: bool = False) -> tuple[Case, int]:
    """The first attempt of a seed whose float64 run is nowhere near a kink, and its number."""
    for attempt in range(60):
        this = case(seed, attempt, small=small)
        if not near_kink(this, answer(this)):
            return this, attempt
    raise AssertionError(f"seed {seed}: every attempt is near a kink")


def near_kink(this: Case, found: Answer) -> bool:
    """Whether rounding could decide a derivative. Exact ties are not near: every dtype has the same."""
    network = found.network
    for entry, sources in zip(this.layers, network.sources, strict=True):
        value = found.values[sources[0]]
        if entry["type"] in ("relu", "leaky_relu") and _near(value, value):
            return True
        if entry["type"] == "max_pool2d" and _near(_runner_up(value, entry), value):
            return True
    kinks = {"l1": (0.0,), "huber": (-this.loss.get("delta", 1.0), this.loss.get("delta", 1.0))}
    return any(_near(found.error - kink, found.error) for kink in kinks.get(this.loss["name"], ()))


def _near(distance: torch.Tensor, value: torch.Tensor) -> bool:
    return bool(((distance != 0) & (distance.abs() < KINK * value.abs().max())).any())


def _runner_up(x: torch.Tensor, entry: Mapping[str, Any]) -> torch.Tensor:
    """By how much each window's largest value leads the second."""
    kernel, padding, dilation = (
        entry.get(key, default) for key, default in (("kernel_size", 1), ("padding", 0), ("dilation", 1))
    )
    stride = entry.get("stride", kernel)
    ph, pw = (padding, padding) if isinstance(padding, int) else padding
    padded = F.pad(x, (pw, pw, ph, ph), value=-1e300).reshape(-1, 1, x.shape[2] + 2 * ph, x.shape[3] + 2 * pw)
    first, second = F.unfold(padded, kernel, dilation, 0, stride).topk(2, dim=1).values.unbind(1)
    return first - second
