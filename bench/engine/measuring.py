"""Measures what a plan asks for: answers first, then times, then memory."""

import random
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.engine.agreement import Answer, disagreements
from bench.engine.cells import PYTORCH, Cell
from bench.engine.networks import NETWORKS
from bench.engine.operations import flops
from bench.engine.peak import gemm_peak
from bench.engine.plan import Plan
from bench.engine.remote import Remote, SideFailed, started
from bench.engine.tasks import task
from bench.engine.timing import Round, rounds
from convserve_model import Network

STEPS = 10
DRAWS = 5
Say = Callable[[str], None]


class Disagree(Exception):
    """Sides that do not compute the same are not compared."""


@dataclass(frozen=True)
class Timed:
    """The rounds of a cell, its operations in one call, and the FLOP/s of GEMM measured right before its network."""

    cell: Cell
    rounds: list[Round]
    flops: float
    peak: float


@dataclass(frozen=True)
class Remembered:
    """Bytes that ten steps need at their peak, by side."""

    cell: Cell
    peaks: dict[str, int]


@dataclass
class Results:
    timed: list[Timed] = field(default_factory=list)
    remembered: list[Remembered] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)  # a cell that stands here has no times


def measure(plan: Plan, folder: Path, order: random.Random, say: Say) -> Results:
    """All cells of a plan; one that fails is told of and left out."""
    found = Results()
    for cells in plan.groups():
        peak = gemm_peak(cells[0].threads, plan.peak_tries)
        with ExitStack() as stack:
            sides = {
                side: stack.enter_context(started(side, cells[0].threads)) for side in plan.sides_of(cells[0].mode)
            }
            for cell in cells:
                say(str(cell))
                try:
                    found.timed.append(_timed(cell, sides, plan, folder, order, peak))
                except SideFailed as error:
                    found.failures.append(f"{cell}: {error}")
                    break  # a worker may be gone
                except Disagree as error:
                    found.failures.append(f"{cell}: {error}")
    for cell in plan.memory:
        say(f"memory: {cell}")
        try:
            found.remembered.append(_remembered(cell, plan, folder))
        except SideFailed as error:
            found.failures.append(f"memory of {cell}: {error}")
    return found


def _timed(
    cell: Cell, sides: Mapping[str, Remote], plan: Plan, folder: Path, order: random.Random, peak: float
) -> Timed:
    _agree(cell, sides, folder)
    operations = flops(Network.from_dict(NETWORKS[cell.network]()), cell.batch, cell.mode)
    return Timed(cell, rounds(sides, plan, order), operations, peak)


def _agree(cell: Cell, sides: Mapping[str, Remote], folder: Path) -> None:
    """Prepare the sides with data on which they agree.

    Where an activation lies within rounding of a ReLU's or a pool's kink, float32 gradients differ though both are
    right: then other data is drawn, a few times.
    """
    found: list[str] = []
    for attempt in range(DRAWS):
        described = task(cell, attempt).save(folder / "task.npz")
        answers: dict[str, Answer] = {}
        for side, remote in sides.items():
            remote.ask("prepare", **described)
            remote.ask("answer", path=str(folder / "answer.npz"))
            with np.load(folder / "answer.npz") as arrays:
                answers[side] = dict(arrays)
        found = disagreements(answers, PYTORCH if PYTORCH in sides else next(iter(sides)))
        if not found:
            return
    raise Disagree("; ".join(found))


def _remembered(cell: Cell, plan: Plan, folder: Path) -> Remembered:
    described = task(cell).save(folder / "task.npz")
    peaks = {}
    for side in plan.sides_of(cell.mode):
        with started(side, cell.threads) as remote:
            remote.ask("prepare", **described)
            remote.ask("run", warm=0, calls=STEPS)
            peaks[side] = remote.ask("memory")
    return Remembered(cell, peaks)
