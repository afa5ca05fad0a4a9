"""Writers of one model that train again as soon as they are answered: how many commits each of them gets."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click

from bench.connections import Connection, training
from bench.report import goal, table
from bench.stores import MODEL, creation
from convserve_client import Client
from tests.servers import Server, serving

WRITERS = 8
WORKERS = 2


@dataclass(frozen=True)
class Round:
    """For each writer how many commits it got, and how often it was told to come back."""

    commits: list[int]
    refused: list[int]


def measure(folder: Path, rounds: int, seconds: float) -> list[Round]:
    with serving(folder, "--workers", str(WORKERS), "--threads", "1") as server:
        with Client(server.url) as client:
            client.create(MODEL, **creation("sgd"))
        return [_round(server, seconds) for _ in range(rounds)]


def tell(found: list[Round], seconds: float) -> None:
    click.echo(f"\n{WRITERS} writers of one model in a closed loop for {seconds:g} s ({WORKERS} workers)")
    ratios = [max(one.commits) / max(1, min(one.commits)) for one in found]
    rows = [
        [str(number), str(min(one.commits)), str(max(one.commits)), f"{ratio:.2f}",
         f"{sum(one.commits) / seconds:.0f}", str(sum(one.refused))]
        for number, (one, ratio) in enumerate(zip(found, ratios, strict=True), 1)
    ]  # fmt: skip
    table(["round", "fewest commits", "most", "most / fewest", "commits/s", "refused (503)"], rows)
    fair = max(ratios) <= 2 and all(min(one.commits) for one in found)
    goal("the most commits at most twice the fewest", f"{max(ratios):.2f} times at worst", fair)


def _round(server: Server, seconds: float) -> Round:
    together = threading.Barrier(WRITERS)

    def write(_: int) -> tuple[int, int]:
        call, commits, refused = training(), 0, 0
        with closing(Connection(server)) as connection:
            connection.insist(call)  # so that threads and caches are there
            together.wait()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                refused += connection.insist(call)
                commits += 1
        return commits, refused

    with ThreadPoolExecutor(WRITERS) as pool:
        counted = list(pool.map(write, range(WRITERS)))
    return Round([commits for commits, _ in counted], [refused for _, refused in counted])
