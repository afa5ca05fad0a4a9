"""What our service is meant to reach: in every cell ours over the best other one's, and beside a training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.footprint.sides import OURS
from bench.service.cells import Cell, Loaded
from bench.service.interference import Round
from bench.service.measuring import Results

Figure = Callable[[Loaded], float]


@dataclass(frozen=True)
class Wanted:
    """What ours over the best other's may be: at least the limit where more is better, else at most."""

    text: str
    figure: Figure
    limit: float
    more_is_better: bool


WANTED = (
    Wanted("requests/s, at least 3.5 times the best other service's", lambda one: one.flat.rate, 3.5, True),
    Wanted("p99 flat out, at most the best other service's", lambda one: one.flat.p99, 1.0, False),
    Wanted("p99 at a constant rate, at most the best other service's", lambda one: one.steady.p99, 1.0, False),
)
TRAINING, TRAINING_LIMIT = "p99 of predictions while a job trains, at most 3 times the idle p99", 3.0


@dataclass(frozen=True)
class Judged:
    """A goal, and the ratio that is furthest from it with the place where it was found."""

    text: str
    ratio: float
    where: str
    met: bool


def judged(results: Results) -> list[Judged]:
    """The goals of which something was measured."""
    forms = dict.fromkeys(cell.form for cell in results.cells)
    found = [_judged(form, wanted, results.cells) for form in forms for wanted in WANTED]
    ratio = median(slower(results.training))
    training = Judged(TRAINING, ratio, f"{len(results.training)} pairs", ratio <= TRAINING_LIMIT)
    return [*(one for one in found if one is not None), training]


def others(cell: Cell) -> list[str]:
    """The services that can be compared with ours there."""
    return [name for name in cell.rounds[0] if name != OURS] if OURS in cell.rounds[0] else []


def ratios(cell: Cell, other: str, figure: Figure) -> list[float]:
    """Ours / the other's, round by round."""
    return [figure(one[OURS]) / figure(one[other]) for one in cell.rounds]


def slower(rounds: Sequence[Round]) -> list[float]:
    """p99 beside a training / idle p99, round by round."""
    return [one.training.p99 / one.idle.p99 for one in rounds]


def _judged(form: str, wanted: Wanted, cells: Sequence[Cell]) -> Judged | None:
    best, worst = (max, min) if wanted.more_is_better else (min, max)
    found = []
    for cell in cells:
        if cell.form == form and (names := others(cell)):
            middle = {name: median(wanted.figure(one[name]) for one in cell.rounds) for name in names}
            rival = best(names, key=middle.__getitem__)
            found.append((median(ratios(cell, rival, wanted.figure)), f"{rival}, {cell}"))
    if not found:
        return None
    ratio, where = worst(found)
    met = ratio >= wanted.limit if wanted.more_is_better else ratio <= wanted.limit
    return Judged(f"{form}: {wanted.text}", ratio, where, met)
