"""Learning-rate schedules: functions of the optimizer step (0 is the first), PyTorch's definitions.

`warmup_steps` with any: the rate is multiplied by (step + 1) / warmup_steps until that is 1.
"""

import math
from typing import Protocol

from convserve_model import ranges
from convserve_model.values import dataclass


class Schedule(Protocol):
    @property
    def warmup_steps(self) -> int: ...

    def rate(self, base: float, step: int) -> float:
        """The learning rate of optimizer step `step`, without warm-up."""
        ...


def learning_rate(schedule: Schedule, base: float, step: int) -> float:
    """The learning rate of optimizer step `step`, warm-up included."""
    warm = min(1.0, (step + 1) / schedule.warmup_steps) if schedule.warmup_steps else 1.0
    return schedule.rate(base, step) * warm


@dataclass(frozen=True)
class Constant:
    """Always the base rate."""

    warmup_steps: int = 0

    def __post_init__(self) -> None:
        ranges.integer("warmup_steps", self.warmup_steps, 0)

    def rate(self, base: float, step: int) -> float:
        return base


@dataclass(frozen=True)
class Step:
    """Multiplied by gamma after every step_size steps (StepLR)."""

    step_size: int
    gamma: float = 0.1
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        ranges.integer("step_size", self.step_size, 1)
        ranges.number("gamma", self.gamma, lambda v: v >= 0, "a number of at least 0")
        ranges.integer("warmup_steps", self.warmup_steps, 0)

    def rate(self, base: float, step: int) -> float:
        return float(base * self.gamma ** (step // self.step_size))


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from the base rate to eta_min over t_max steps, constant afterwards (CosineAnnealingLR)."""

    t_max: int
    eta_min: float = 0.0
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        ranges.integer("t_max", self.t_max, 1)
        ranges.number("eta_min", self.eta_min, lambda v: v >= 0, "a number of at least 0")
        ranges.integer("warmup_steps", self.warmup_steps, 0)

    def rate(self, base: float, step: int) -> float:
        progress = min(step, self.t_max) / self.t_max
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * progress)) / 2


SCHEDULES: dict[str, type[Constant | Step | Cosine]] = {"constant": Constant, "step": Step, "cosine": Cosine}
