"""`make bench-training`: what a durable, exactly-once training step over HTTP costs more than one in process."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click

from bench import options
from bench.environment import restart_clean
from bench.machine import data_folder, described
from bench.report import goal, spread, table
from bench.steps import BATCH, InProcess, OverHttp
from bench.stores import committing, creation, lenet, opened
from convserve_client import Client
from convserve_client.samples import digits
from convserve_model import Engine
from convserve_service.memory import keep_freed
from tests.servers import serving

STEPS = {"one step": 1, "ten steps": 10}
COMMIT = "commit alone"
Times = dict[str, list[float]]


@click.command()
@click.option("--rounds", default=200, show_default=True, help="Counted rounds; each has every case once.")
@click.option("--warm-up", default=20, show_default=True, help="Rounds before, not counted.")
@click.option("--threads", default=1, show_default=True, help="Compute threads, of the worker and in process.")
@click.option("--optimizer", default="sgd", show_default=True, help="sgd, or adam whose state is three times as large.")
@options.SEED
@options.DATA_DIR
def main(rounds: int, warm_up: int, threads: int, optimizer: str, seed: int, data_dir: Path | None) -> None:
    """Compare one and ten steps of LeNet-5 (batch 64, binary) in process and over HTTP."""
    with data_folder(data_dir) as folder:
        click.echo(
            f"a durable step over HTTP: LeNet-5, {optimizer}, batch {BATCH}, one worker, compute threads: {threads}\n"
            f"{described(folder)}\n{rounds} rounds after {warm_up}, in random order\n"
        )
        tell(measure(folder, rounds, warm_up, threads, optimizer, random.Random(seed)))


def measure(folder: Path, rounds: int, warm_up: int, threads: int, optimizer: str, order: random.Random) -> Times:
    """Seconds of each case in each counted round; the two sides must have made the same bits."""
    keep_freed()  # as the service does
    data, specification = digits(), lenet(optimizer)
    commit = committing(opened(folder / "commits", optimizer)[1])
    with (
        serving(folder / "served", "--workers", "1", "--threads", str(threads)) as server,
        Client(server.url) as client,
    ):
        engine = Engine(threads)
        sides: dict[str, InProcess | OverHttp] = {}
        for name in STEPS:
            created = client.create(name.replace(" ", "-"), **creation(optimizer))
            sides |= {inside(name): InProcess(engine, specification), outside(name): OverHttp(created)}
        times: Times = {name: [] for name in (*sides, COMMIT)}
        for number in range(warm_up + rounds):
            for name in order.sample(list(times), len(times)):
                if name == COMMIT:
                    times[name].append(_timed(lambda: commit(f"key-{number}")))  # noqa: B023
                else:
                    size = BATCH * STEPS[name.split(",")[0]]
                    start = number * size % (len(data.train_labels) - size + 1)
                    rows = slice(start, start + size)
                    times[name].append(sides[name](data.train_images[rows], data.train_labels[rows]))
        for name in STEPS:
            assert sides[inside(name)].digest() == sides[outside(name)].digest(), f"{name}: the bits differ"
        engine.close()
    return {name: values[warm_up:] for name, values in times.items()}


def tell(times: Times) -> None:
    """The tables and the goals."""
    cases = [name for name in times if name != COMMIT]
    table(["ms", "min", "median", "max"], [[name, *spread(times[name], 1000)] for name in cases])
    table(["ms, in process", "min", "median", "max"], [[COMMIT, *spread(times[COMMIT], 1000)]])
    pairs = {name: list(zip(times[outside(name)], times[inside(name)], strict=True)) for name in STEPS}
    ratios = {name: [http / here for http, here in pair] for name, pair in pairs.items()}
    more = {name: [1000 * (http - here) for http, here in pair] for name, pair in pairs.items()}
    head = ["HTTP / in process", "min", "median of pairs", "max", "ratio of medians", "ms more, median of pairs"]
    rows = [
        [name, *spread(ratios[name]), f"{median(times[outside(name)]) / median(times[inside(name)]):.2f}",
         f"{median(more[name]):.2f}"]
        for name in STEPS
    ]  # fmt: skip
    table(head, rows)
    click.echo("both sides made the same bits: the digests at the end are equal")
    one, ten = median(ratios["one step"]), median(ratios["ten steps"])
    extra = median(more["one step"])
    got = f"{one:.3f} times, {extra:.2f} ms more"
    goal("one step, at most 1.35 times or 2.0 ms more", got, one <= 1.35 or extra <= 2.0)
    goal("ten steps, at most 1.1 times", f"{ten:.3f} times", ten <= 1.1)


def inside(name: str) -> str:
    return f"{name}, in process"


def outside(name: str) -> str:
    return f"{name}, over HTTP"


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    restart_clean("bench.training")
    main()
