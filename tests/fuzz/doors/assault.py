"""Case after case through one door, in a process that must survive all of them."""

import re
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from tests.crash.promises import demand
from tests.fuzz.budget import Budget
from tests.fuzz.doors.door import TAKEN, Case, Door
from tests.fuzz.doors.pool import MOST_KEPT, Pool
from tests.fuzz.doors.smaller import smaller

LIMIT = 10.0  # seconds of a case; then SIGALRM ends the process
LARGEST = 1 << 20  # bytes of a case
CHANGES = (1, 1, 1, 2, 3)
STATUS = Path("/proc/self/status")


@dataclass
class Tally:
    """What was seen; `outcomes` are the kinds of answers, `slowest` is in seconds, `peak` in bytes."""

    cases: int = 0
    taken: int = 0
    outcomes: int = 0
    slowest: float = 0.0
    peak: int = 0

    def shown(self) -> dict[str, Any]:
        return asdict(self)


class Failed(Exception):
    """What came of a case is no answer; `case` is a small one of the kind."""

    def __init__(self, case: Case) -> None:
        super().__init__("a case that is no longer than it must be")
        self.case = case


def assault(door: Door, pool: Pool, budget: Budget, remember: Callable[[Case], object]) -> Tally:
    """Until the budget is spent; `remember` is told each case before it is asked.

    A case whose answer is of a kind that was not seen before is changed on, as the seeds are: the pool has it.
    """
    tally, kinds, random = Tally(), set[str](), Random(budget.seed)
    for seed in door.seeds:
        remember(seed)
        kinds.add(came := door.ask(seed))
        demand(came.startswith(TAKEN), "what is good is taken", came)
    before, end = _most(), monotonic() + 60 * budget.minutes
    while tally.cases < budget.cases or monotonic() < end:
        at = random.randrange(len(door.seeds) + (len(pool) if random.random() < 0.7 else 0))
        case = door.seeds[at] if at < len(door.seeds) else pool[at - len(door.seeds)]
        for _ in range(random.choice(CHANGES)):
            case = door.change(random, case)
        if sum(map(len, case)) > LARGEST:
            continue
        remember(case)
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        began = monotonic()
        try:
            came = door.ask(case)
        except Exception as error:
            raise Failed(smaller(case, error, door.ask)) from error
        tally.slowest = max(tally.slowest, monotonic() - began)
        tally.peak = _most() - before
        demand(tally.peak <= door.peak, f"no case needs more than {door.peak >> 20} MiB", f"{tally.peak >> 20} MiB")
        tally.cases += 1
        tally.taken += came.startswith(TAKEN)
        if came not in kinds and len(pool) < MOST_KEPT:
            kinds.add(came)
            pool.keep(case)
    signal.setitimer(signal.ITIMER_REAL, 0)
    door.close()
    tally.outcomes = len(kinds)
    demand(0 < tally.taken < tally.cases, "some cases are taken and some are not", str(tally))
    return tally


def _most() -> int:
    """The most bytes that this process had at any time; getrusage would count those of the one that began it."""
    found = re.search(rb"VmHWM:\s+(\d+) kB", STATUS.read_bytes())
    return int(found[1]) << 10 if found else 0
