"""How long a start takes until the service says that it is ready, and what a long history adds to it."""

import http.client
import multiprocessing
import random
import socket
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import click

from bench.report import goal, spread, table
from bench.stores import grow
from convserve_wire import paths
from tests.servers import launch, stop

STATES = 100
SECONDS = 30.0
Starts = dict[int, list[float]]


def measure(folder: Path, starts: int, versions: int, order: random.Random) -> Starts:
    """Seconds of each start by the number of versions; both in each round, in random order."""
    found: Starts = {1: [], versions: []}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:  # it closes the catalogs
        for count in found:
            pool.submit(grow, _folder(folder, count), count, min(STATES, count - 1)).result()
    for number in range(starts + 1):
        for count in order.sample(list(found), 2):
            seconds = until_ready(_folder(folder, count))
            if number:  # the first round warms up
                found[count].append(seconds)
    return found


def tell(found: Starts) -> None:
    click.echo("\nfrom `convserve serve` to the first 200 of /v2/health/ready (1 worker)")
    few, many = found
    more = [long - short for long, short in zip(found[many], found[few], strict=True)]
    rows = [[f"{count:,} version{'s' * (count > 1)}", *spread(values, 1000, 0)] for count, values in found.items()]
    table(["ms", "min", "median", "max"], [*rows, ["difference, of pairs", *spread(more, 1000, 0)]])
    first, added = median(found[few]), median(more)
    goal("first ready within 1.0 s", f"{first:.2f} s, {max(found[few]):.2f} s at worst", first <= 1.0)
    goal(f"{many:,} versions add less than 50 ms", f"{1000 * added:.0f} ms", added < 0.05)


def until_ready(folder: Path) -> float:
    """Seconds from the start of the process to the first 200; then it is stopped."""
    port = free_port()
    started = time.perf_counter()
    process = launch(folder, "--port", str(port))
    try:
        while not _ready(port):
            if process.poll() is not None or time.perf_counter() - started > SECONDS:
                raise RuntimeError(f"the service was not ready after {SECONDS:g} s, or ended")
            time.sleep(0.002)
        return time.perf_counter() - started
    finally:
        stop(process)


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", paths.READY)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _folder(folder: Path, versions: int) -> Path:
    return folder / f"{versions}-versions"


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
