"""`python -m tests.fuzz --only doors --minutes 20 --seed 1`: what strangers send, and what must hold.

Each part has a service or a function of its own. Where a promise was not kept: status 1, the first of them on stderr.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.crash.promises import BrokenPromise
from tests.fuzz import mutants, openapi
from tests.fuzz.budget import Budget
from tests.fuzz.doors import watch


@dataclass(frozen=True)
class Part:
    """`run` takes a folder, its budget and whom it tells; it goes on for `minutes` where no others are asked for."""

    run: Callable[[Path, Budget, Callable[[str], object]], None]
    minutes: float


PARTS = {
    "openapi": Part(openapi.run, 10),
    "mutants": Part(mutants.run, 10),
    "doors": Part(watch.run, 20),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given again")
    parser.add_argument("--cases", type=int, default=2000, help="of each part, at least")
    parser.add_argument("--minutes", type=float, help="of each part, at least, instead of its own")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for name in given.only or PARTS:
        part = PARTS[name]
        budget = Budget(given.cases, part.minutes if given.minutes is None else given.minutes, given.seed)
        with tempfile.TemporaryDirectory(prefix="convserve-fuzz-") as folder:
            try:
                part.run(Path(folder), budget, partial(print, flush=True))
            except BrokenPromise as broken:
                sys.exit(f"{name}: {broken}")


if __name__ == "__main__":
    main()
