"""What to measure, and how long."""

from dataclasses import dataclass

from bench.service.questions import BINARY, JSON


@dataclass(frozen=True)
class Plan:
    """`seconds` is the time of one load; `training_rounds` are pairs of loads without and with a training job."""

    connections: tuple[int, ...] = (1, 8, 32)
    forms: tuple[str, ...] = (JSON, BINARY)
    rounds: int = 5
    seconds: int = 2
    training_rounds: int = 8
