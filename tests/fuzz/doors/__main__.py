"""`python -m tests.fuzz.doors envelope --cases 1000 --seconds 60`, or `--case` with what another run printed."""

import argparse
import faulthandler
import json
import logging
import mmap
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from random import Random

from convserve_service.logs import log
from tests.fuzz.doors.assault import LARGEST, Failed, assault
from tests.fuzz.doors.case import from_text, pack
from tests.fuzz.doors.door import Case
from tests.fuzz.doors.table import DOORS

ROOM = 2 * LARGEST


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
        last.write_bytes(bytes(ROOM))
        with last.open("r+b") as file, mmap.mmap(file.fileno(), ROOM) as memory:

            def remember(case: Case) -> None:
                packed = pack(case)
                memory[: len(packed)] = packed

            try:
                tally = assault(door, Random(given.seed), cases=given.cases, seconds=given.seconds, remember=remember)
            except Failed as failed:
                remember(failed.case)
                traceback.print_exception(failed.__cause__)
                sys.exit(1)
        print(json.dumps(tally.shown()))  # noqa: T201


if __name__ == "__main__":
    main()
