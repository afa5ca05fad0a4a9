"""`python -m tests.crash --kills 200 --seed 1`: kill -9, again and again, under load.

Four writers, eight readers and a job work on a service that is killed at random moments: in turn the whole process
group, one worker, `serve` alone, the process of the jobs, the one that listens. After each kill everything that was
acknowledged is looked for, and at the end the whole history is recomputed on a fresh server. Where a promise was not
kept: status 1, the first of them on stderr, and the data is left for who wants to look.
"""

import argparse
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.crash.campaign import Campaign
from tests.crash.promises import BrokenPromise


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the writes, of the reads and of the moments")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="convserve-crash-"))
    try:
        Campaign(folder, options.seed, partial(print, flush=True)).run(options.kills)
    except BrokenPromise as broken:
        sys.exit(f"{broken}\n  data and logs of the service: {folder}")
    except BaseException:
        sys.stderr.write(f"data and logs of the service: {folder}\n")
        raise
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
