"""What the engine is meant to reach at two threads: a geometric mean over the table and a limit for every cell."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.engine.cells import INFER, PYTORCH, RUNTIME, TRAIN
from bench.engine.measuring import Results
from bench.engine.ratios import Ratio, mean, of_memory, of_times
from bench.report import goal

THREADS = 2
RESISTING = {"mobilenet": 1.3}  # a network whose worst cell may be this, where all others must be better


@dataclass(frozen=True)
class Judged:
    """A goal and what was measured for it, over all cells at two threads that there are."""

    text: str
    mean_limit: float
    worst_limit: float
    ratios: Sequence[Ratio]

    @property
    def mean(self) -> float:
        return mean(self.ratios)

    @property
    def worst(self) -> Ratio:
        """The cell that is furthest above its own limit, or nearest below."""
        return max(self.ratios, key=lambda ratio: ratio.middle / self.limit(ratio.cell.network))

    def limit(self, network: str) -> float:
        return max(self.worst_limit, RESISTING.get(network, 0.0))

    @property
    def met(self) -> bool:
        cells = all(ratio.middle <= self.limit(ratio.cell.network) for ratio in self.ratios)
        return self.mean <= self.mean_limit and cells


def judged(results: Results) -> list[Judged]:
    """The goals of which something was measured."""
    train, infer = ([one for one in results.timed if one.cell.mode == mode] for mode in (TRAIN, INFER))
    found = [
        Judged("train step vs PyTorch", 0.67, 1.0, _two(of_times(train, PYTORCH))),
        Judged("inference vs PyTorch", 0.6, 1.0, _two(of_times(infer, PYTORCH))),
        Judged("inference vs ONNX Runtime", 1.5, 3.0, _two(of_times(infer, RUNTIME))),
        Judged("peak memory of a train step vs PyTorch", 1.0, 1.5, _two(of_memory(results.remembered, PYTORCH))),
    ]
    return [one for one in found if one.ratios]


def tell(results: Results) -> None:
    for one in judged(results):
        others = [f", {name} {limit}" for name, limit in RESISTING.items() if limit > one.worst_limit]
        limits = f"geometric mean {one.mean_limit}, worst cell {one.worst_limit}{''.join(others)}"
        worst = one.worst
        got = f"{one.mean:.2f} over {len(one.ratios)}, {worst.middle:.2f} at {worst.cell.network} {worst.cell.batch}"
        goal(f"{one.text}, two threads, {limits}", got, one.met)


def _two(ratios: list[Ratio]) -> list[Ratio]:
    return [ratio for ratio in ratios if ratio.cell.threads == THREADS]
