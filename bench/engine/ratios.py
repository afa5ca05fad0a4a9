"""Ours over theirs, from paired rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import geometric_mean

import numpy as np

from bench.engine.cells import OURS, Cell
from bench.engine.measuring import Remembered, Timed


@dataclass(frozen=True)
class Ratio:
    """The median and the quartiles around it."""

    cell: Cell
    middle: float
    low: float
    high: float


def of_times(timed: Sequence[Timed], side: str) -> list[Ratio]:
    """For the cells that both ran: the median of the rounds' ratios, and its interquartile range."""
    found = []
    for one in timed:
        paired = [times[OURS] / times[side] for times in one.rounds if OURS in times and side in times]
        if paired:
            low, middle, high = np.quantile(paired, (0.25, 0.5, 0.75)).tolist()
            found.append(Ratio(one.cell, middle, low, high))
    return found


def of_memory(remembered: Sequence[Remembered], side: str) -> list[Ratio]:
    """One process each, so there is no spread."""
    found = []
    for one in remembered:
        if OURS in one.peaks and side in one.peaks:
            ratio = one.peaks[OURS] / one.peaks[side]
            found.append(Ratio(one.cell, ratio, ratio, ratio))
    return found


def mean(ratios: Sequence[Ratio]) -> float:
    return geometric_mean([ratio.middle for ratio in ratios])
