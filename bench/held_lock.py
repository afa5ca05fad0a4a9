"""Predictions while a model's lock is held by a worker that was stopped, and writers queue for it in the others."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import chain, cycle, islice
from pathlib import Path
from statistics import median

import click

from bench.connections import LIVE, Connection, predicting, training
from bench.processes import lock, stopped, until
from bench.report import goal, spread, table
from bench.stores import MODEL, creation
from convserve_client import Client
from tests.servers import Server, serving

WRITERS = 32
WORKERS = 3
REQUEST_THREADS = 4 * WRITERS  # half of a worker's may wait, and one worker may get nearly all connections
TRIES = 64
HOLDING_STEPS = 100  # long enough to be stopped in the middle


@dataclass
class Phases:
    """Seconds of each prediction, round by round; `queued` writers waited for the lock in the kernel."""

    idle: list[list[float]] = field(default_factory=list)
    loaded: list[list[float]] = field(default_factory=list)
    queued: list[int] = field(default_factory=list)


def measure(folder: Path, rounds: int, requests: int, order: random.Random) -> Phases:
    """In each round both phases, in random order, over the same connections."""
    found = Phases()
    options = ("--workers", str(WORKERS), "--threads", "1", "--request-threads", str(REQUEST_THREADS))
    with serving(folder, *options) as server:
        with Client(server.url) as client:
            client.create(MODEL, **creation("sgd"))
        for number in range(rounds + 1):
            with ExitStack() as stack:
                trainer = _opened(server, stack)
                holder = trainer.worker
                assert holder is not None
                predictors = _elsewhere(server, holder, stack)
                idle: list[float] = []
                loaded: list[float] = []
                queued = 0
                for phase in order.sample(("idle", "loaded"), 2):
                    if phase == "idle":
                        idle = _predict(predictors, requests)
                    else:
                        loaded, queued = _loaded(server, trainer, holder, predictors, requests)
            if number:  # the first round warms up
                found.idle.append(idle)
                found.loaded.append(loaded)
                found.queued.append(queued)
    return found


def tell(found: Phases) -> None:
    click.echo(
        f"\npredictions in other workers while the holder of the lock is stopped ({WORKERS} workers;"
        f" {min(found.queued)} to {max(found.queued)} of {WRITERS} writers waited for it)"
    )
    pooled = {"idle": [*chain(*found.idle)], "loaded": [*chain(*found.loaded)]}
    head = ["ms", "min", "p50", "p99", "max", "requests"]
    rows = [
        [name, *(f"{1000 * quantile(values, q):.2f}" for q in (0, 0.5, 0.99, 1)), str(len(values))]
        for name, values in pooled.items()
    ]
    table(head, rows)
    pairs = list(zip(found.loaded, found.idle, strict=True))
    ratios = {q: [quantile(loaded, q) / quantile(idle, q) for loaded, idle in pairs] for q in (0.5, 0.99)}
    table(
        ["loaded / idle, by rounds", "min", "median", "max"],
        [["p50", *spread(ratios[0.5])], ["p99", *spread(ratios[0.99])]],
    )
    goal("loaded p99 under 2 times the idle p99", f"{median(ratios[0.99]):.2f} times", median(ratios[0.99]) < 2)


def quantile(values: list[float], q: float) -> float:
    """The nearest rank: a value that was measured."""
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def _loaded(
    server: Server, trainer: Connection, holder: int, predictors: list[Connection], requests: int
) -> tuple[list[float], int]:
    """(seconds of each prediction, writers that waited) while the holder is stopped; then all writers come through."""
    path = server.data_dir / "locks" / f"{MODEL}.lock"
    with ThreadPoolExecutor(WRITERS + 1) as pool:
        long = pool.submit(trainer.insist, training(HOLDING_STEPS))
        assert until(lambda: holder in lock(path).held, 10), "nobody took the lock"
        with stopped(holder):
            assert holder in lock(path).held, "the training ended too soon"
            writers = [pool.submit(_write, server) for _ in range(WRITERS)]
            until(lambda: len(lock(path).waiting) == WRITERS, 5)
            queued = len(lock(path).waiting)
            times = _predict(predictors, requests)
        long.result()
        for writer in writers:
            writer.result()
    return times, queued


def _predict(predictors: list[Connection], requests: int) -> list[float]:
    """Seconds of one request after the other, over the connections in turn."""
    call = predicting()
    times = []
    for connection in islice(cycle(predictors), requests):
        started = time.perf_counter()
        status = connection.send(call)
        times.append(time.perf_counter() - started)
        assert status == 200, f"a prediction got {status}"
    return times


def _write(server: Server) -> None:
    with closing(Connection(server)) as connection:
        connection.insist(training())


def _opened(server: Server, stack: ExitStack) -> Connection:
    connection = stack.enter_context(closing(Connection(server)))
    connection.send(LIVE)
    return connection


def _elsewhere(server: Server, holder: int, stack: ExitStack) -> list[Connection]:
    """One connection to each of the other workers, or to those of them that a few tries find."""
    found: dict[int | None, Connection] = {}
    for _ in range(TRIES):
        connection = _opened(server, stack)
        found.setdefault(connection.worker, connection)
        if len(found.keys() - {holder}) == WORKERS - 1:
            break
    if not found.keys() - {holder}:
        with stopped(holder):
            connection = _opened(server, stack)
        found[connection.worker] = connection
    return [connection for worker, connection in found.items() if worker != holder]
