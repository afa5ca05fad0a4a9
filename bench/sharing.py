"""How new connections spread over the workers."""

from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import click

from bench.connections import LIVE, Connection
from bench.report import goal, spread, table
from tests.servers import Server, serving

CONNECTIONS = 40
WORKERS = 2
IN_TURN, AT_ONCE = "each answers before the next", "all open before the first request"
Shares = dict[str, list[float]]


def measure(folder: Path, rounds: int) -> Shares:
    """The smallest part of the connections that a worker got, by how they were opened, round by round."""
    found: Shares = {IN_TURN: [], AT_ONCE: []}
    with serving(folder, "--workers", str(WORKERS), "--threads", "1") as server:
        while _smallest(server, IN_TURN) == 0:  # the last worker still starts
            pass
        for _ in range(rounds):
            for way, shares in found.items():
                shares.append(_smallest(server, way))
    return found


def tell(found: Shares) -> None:
    click.echo(f"\n{CONNECTIONS} new connections on {WORKERS} workers")
    rows = [[way, *spread(shares, 100, 0)] for way, shares in found.items()]
    table(["smallest share of a worker, %", "min", "median", "max"], rows)
    least = min(map(min, found.values()))
    goal("no worker gets less than 30 %", f"{least:.0%} at worst", least >= 0.3)


def _smallest(server: Server, way: str) -> float:
    with ExitStack() as stack:
        opened = []
        for _ in range(CONNECTIONS):
            opened.append(stack.enter_context(closing(Connection(server))))
            if way == IN_TURN:
                opened[-1].send(LIVE)
        for connection in opened:
            connection.send(LIVE)
        workers = Counter(connection.worker for connection in opened)
    assert None not in workers, "a connection that answered has no worker"
    return 0.0 if len(workers) < WORKERS else min(workers.values()) / CONNECTIONS
