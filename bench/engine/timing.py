"""Rounds of a cell: in each every side runs one burst, in random order, and nobody else computes."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from bench.engine.plan import Plan
from bench.engine.remote import Remote

Round = dict[str, float]
SETTLE = 0.15  # idle threads of the last side spin for a while: ONNX Runtime's for a tenth of a second
LONG = 0.3  # such a call needs no other to warm it
MOST_CALLS = 5000


@dataclass(frozen=True)
class Burst:
    """Calls of one side in a round, and what one takes."""

    warm: int
    calls: int
    seconds: float


def rounds(sides: Mapping[str, Remote], plan: Plan, order: random.Random) -> list[Round]:
    """Seconds of a call, the median of a burst, by side; as many rounds as the cell's time allows."""
    bursts = {side: _burst(remote, plan.burst) for side, remote in sides.items()}
    once = sum((burst.warm + burst.calls) * burst.seconds + SETTLE for burst in bursts.values())
    count = max(min(plan.rounds, int(plan.seconds / once)), min(plan.rounds, plan.least_rounds))
    found = []
    for _ in range(count):
        taken = {}
        for side in order.sample(list(sides), len(sides)):
            time.sleep(SETTLE)
            taken[side] = median(sides[side].ask("run", warm=bursts[side].warm, calls=bursts[side].calls))
        found.append({side: taken[side] for side in sides})
    return found


def _burst(remote: Remote, seconds: float) -> Burst:
    """Sized by a few calls, which warm up at the same time."""
    (first,) = remote.ask("run", warm=0, calls=1)
    if first > LONG:
        return Burst(0, 1, first)
    typical = median(remote.ask("run", warm=1, calls=_calls(first, seconds)))
    return Burst(1, _calls(typical, seconds), typical)


def _calls(call: float, seconds: float) -> int:
    return min(MOST_CALLS, max(1, round(seconds / call)))
