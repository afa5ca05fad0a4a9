"""Measures what a plan asks for, on services that all run while only one is loaded."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.footprint.sides import OURS
from bench.service.cells import Cell
from bench.service.interference import CONNECTIONS, Round, during_training
from bench.service.plan import Plan
from bench.service.questions import JSON
from bench.service.running import Running

Say = Callable[[str], None]


@dataclass(frozen=True)
class Results:
    """`idle` is how many cores all services together kept busy without a request."""

    idle: float
    cells: list[Cell]
    training: list[Round]

    @property
    def failures(self) -> list[str]:
        return [f"{cell}, {name}: {why}" for cell in self.cells for name, why in cell.failures.items()]


def measure(services: Sequence[Running], plan: Plan, order: random.Random, say: Say) -> Results:
    """All cells, then predictions beside a training job at our own service."""
    idle, cells = _idle(services, plan.seconds), []
    for form in plan.forms:
        able = {one.side.name: one for one in services if form in one.side.questions}
        for connections in plan.connections:
            cells.append(Cell(form, connections))
            say(str(cells[-1]))
            cells[-1].measure(able, plan, order)
    rate = next((cell.rate for cell in cells if (cell.form, cell.connections) == (JSON, CONNECTIONS)), cells[0].rate)
    say("training")
    (ours,) = (one for one in services if one.side.name == OURS)
    return Results(idle, cells, during_training(ours, rate, plan, order))


def _idle(services: Sequence[Running], seconds: int) -> float:
    before = sum(one.cpu_seconds() for one in services)
    time.sleep(seconds)
    return (sum(one.cpu_seconds() for one in services) - before) / seconds
