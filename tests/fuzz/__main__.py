"""`python -m tests.fuzz --cases 2000 --minutes 20 --seed 1`: what strangers send, and what must hold.

Each part has a service or a function of its own. Where a promise was not kept: status 1, the first of them on stderr.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.crash.promises import BrokenPromise
from tests.fuzz import mutants, openapi
from tests.fuzz.budget import Budget
from tests.fuzz.doors import watch

Part = Callable[[Path, Budget, Callable[[str], object]], None]
PARTS: dict[str, Part] = {
    "openapi": openapi.run,
    "mutants": mutants.run,
    "doors": watch.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given again")
    parser.add_argument("--cases", type=int, default=2000, help="of each part, at least")
    parser.add_argument("--minutes", type=float, default=1.0, help="of each part, at least")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    budget = Budget(given.cases, given.minutes, given.seed)
    for name in given.only or PARTS:
        with tempfile.TemporaryDirectory(prefix="convserve-fuzz-") as folder:
            try:
                PARTS[name](Path(folder), budget, partial(print, flush=True))
            except BrokenPromise as broken:
                sys.exit(f"{name}: {broken}")


if __name__ == "__main__":
    main()
