"""`python -m tests.soak --minutes 10`: full load and training in the background; nothing fails, nothing grows."""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.soak.campaign import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    say = partial(print, flush=True)
    with tempfile.TemporaryDirectory(prefix="convserve-soak-") as folder:
        wrong = run(Path(folder), 60 * options.minutes, say)
    if wrong:
        sys.exit("\n".join(wrong))
    say("no request failed, no process grew, the store is whole")


if __name__ == "__main__":
    main()
