"""What the visits say: tables, and what is to be reached."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.footprint.sides import OURS, PYTORCH
from bench.footprint.visits import Visit
from bench.report import goal, spread, table

Visits = Mapping[str, Sequence[Visit]]
Figure = Callable[[Visit], float]
START = "start to first prediction"
PREDICTED, TRAINED = "worker, after the first prediction", "worker, after ten steps"
MEMORY: dict[str, Figure] = {
    PREDICTED: lambda one: one.predicted.worker.resident,
    TRAINED: lambda one: one.trained.worker.resident,
    "worker, shared pages divided, after the first prediction": lambda one: one.predicted.worker.proportional,
    "worker, shared pages divided, after ten steps": lambda one: one.trained.worker.proportional,
    "all processes, after the first prediction": lambda one: one.predicted.service,
    "all processes, after ten steps": lambda one: one.trained.service,
}


@dataclass(frozen=True)
class Goal:
    """The most that ours may be of theirs."""

    text: str
    limit: float
    ratio: float

    @property
    def met(self) -> bool:
        return self.ratio <= self.limit


def goals(sizes: Mapping[str, int], visits: Visits) -> list[Goal]:
    """Where both sides were there."""
    if PYTORCH not in visits:
        return []
    workers = [median(ratios(visits, MEMORY[moment])) for moment in (PREDICTED, TRAINED)]
    return [
        Goal("installed size", 0.2, sizes[OURS] / sizes[PYTORCH]),
        Goal(START, 0.33, median(ratios(visits, seconds))),
        Goal("resident memory of a worker, the worse of both moments", 0.3, max(workers)),
    ]


def seconds(one: Visit) -> float:
    return one.seconds


def ratios(visits: Visits, of: Callable[[Visit], float]) -> list[float]:
    """Ours / theirs, round by round."""
    return [of(ours) / of(theirs) for ours, theirs in zip(visits[OURS], visits[PYTORCH], strict=True)]


def tell(sizes: Mapping[str, int], visits: Visits) -> None:
    """The tables and the goals."""
    table(["installed packages", "MB"], [[side, f"{size / 1e6:.1f}"] for side, size in sizes.items()])
    rows = [[side, *spread(list(map(seconds, found)), 1000, 0)] for side, found in visits.items()]
    table([f"{START}, ms", "min", "median", "max"], rows)
    rows = [
        [name, *(f"{median(map(of, found)) / 1e6:.1f}" for found in visits.values())] for name, of in MEMORY.items()
    ]
    table(["memory, MB, medians", *visits], rows)
    if PYTORCH in visits:
        compared = {START: seconds, **MEMORY}
        rows = [[name, *spread(ratios(visits, of))] for name, of in compared.items()]
        table(["ours / PyTorch, of pairs", "min", "median", "max"], rows)
    for one in goals(sizes, visits):
        goal(f"{one.text}, at most {one.limit} of PyTorch's", f"{one.ratio:.2f}", one.met)
