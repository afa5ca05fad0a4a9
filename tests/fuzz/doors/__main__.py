"""`python -m tests.fuzz.doors envelope --cases 1000 --seconds 60`, or `--case` with what another run printed."""

import argparse
import faulthandler
import json
import logging
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from convserve_service.logs import log
from tests.fuzz.budget import Budget
from tests.fuzz.doors.assault import Failed, assault
from tests.fuzz.doors.case import from_text, pack
from tests.fuzz.doors.door import Case
from tests.fuzz.doors.pool import Pool
from tests.fuzz.doors.table import DOORS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.doors", description=__doc__)
    parser.add_argument("door", choices=DOORS)
    parser.add_argument("--cases", type=int, default=1000, help="at least")
    parser.add_argument("--seconds", type=float, default=10.0, help="at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=from_text, help="only this one")
    parser.add_argument("--last", type=Path, help="a file that always holds the case that was asked last")
    given = parser.parse_args()
    faulthandler.enable()
    faulthandler.register(signal.SIGALRM, chain=True)  # says where it hangs, also in C, and ends the process
    with tempfile.TemporaryDirectory(prefix="convserve-door-") as folder:
        door = DOORS[given.door](Path(folder))
        log.configure(level=logging.ERROR)  # refusals are many
        if given.case is not None:
            print(door.ask(given.case))  # noqa: T201
            return
        last = given.last or Path(folder) / "last"
        with last.open("wb") as file, tempfile.TemporaryFile() as kept:

            def remember(case: Case) -> None:
                os.pwrite(file.fileno(), pack(case), 0)

            budget = Budget(given.cases, given.seconds / 60, given.seed)
            try:
                tally = assault(door, Pool(kept.fileno()), budget, remember)
            except Failed as failed:
                remember(failed.case)
                traceback.print_exception(failed.__cause__)
                sys.exit(1)
        print(json.dumps(tally.shown()))  # noqa: T201


if __name__ == "__main__":
    main()
