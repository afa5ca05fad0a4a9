"""Visits in turn: every round has one to each service, in random order."""

import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.footprint import states
from bench.footprint.sides import Side
from bench.footprint.visits import Visit, visit
from tests.tolerance import relative_error

TOLERANCE = 1e-4


class Differ(Exception):
    """Services that do not answer the same are not compared."""


def measure(sides: Sequence[Side], folder: Path, starts: int, order: random.Random) -> dict[str, list[Visit]]:
    """The counted visits, by side; ours is the first side. Each begins with the same state."""
    begun = states.make(sides[0], folder)
    found: dict[str, list[Visit]] = {side.name: [] for side in sides}
    expected = None
    for number in range(starts + 1):
        for side in order.sample(list(sides), len(sides)):
            data = folder / f"{number}-{side.name}"
            shutil.copytree(begun[side.name], data)
            seen = visit(side, data)
            expected = expected or seen
            _agree(side, seen, expected)
            if number:  # the first round warms up
                found[side.name].append(seen)
    return found


def _agree(side: Side, seen: Visit, expected: Visit) -> None:
    for what in ("logits", "losses"):
        got, wanted = (np.array(getattr(one, what)) for one in (seen, expected))
        if got.shape != wanted.shape or not relative_error(got, wanted) <= TOLERANCE:
            raise Differ(f"{what} of {side.name} are {got}, but the first service that was asked said {wanted}")
