"""`make bench-roofline`: what the machine and the interpreter allow, the measures behind "What bounds a cell"."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from threading import Thread

import click
import numpy as np
import numpy.typing as npt

from bench import options
from bench.environment import restart_clean
from bench.machine import data_folder, described
from bench.report import table

Array = npt.NDArray[np.float32]
SIZES = (1 << 12, 1 << 16, 1 << 20, 1 << 24)  # elements: 16 KB to 64 MB
PRODUCTS = ((1024, 1024, 1024), (64, 576, 512), (16, 144, 512), (64, 64, 128), (36, 36, 512), (36, 36, 4096))
RUNS = (1, 4, 16, 64, 1024)  # elements side by side


def seconds(call: Callable[[], object], least: float) -> float:
    """The median of one call, measured for `least` seconds or 3 calls."""
    call()
    taken: list[float] = []
    while sum(taken) < least or len(taken) < 3:
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return median(taken)


def products(least: float) -> list[list[str]]:
    """GFLOP/s of one core, by shape."""
    rows = []
    for m, k, n in PRODUCTS:
        a, b, c = (np.ones(shape, np.float32) for shape in ((m, k), (k, n), (m, n)))
        taken = seconds(lambda a=a, b=b, c=c: np.matmul(a, b, out=c), least)  # type: ignore[misc]
        rows.append([f"{m} x {k} x {n}", f"{2 * m * k * n / taken / 1e9:.0f}"])
    return rows


def passes(least: float) -> list[list[str]]:
    """Nanoseconds an element of what surrounds the products."""
    rows = []
    for size in SIZES:
        x, y, out = (np.ones(size, np.float32) for _ in range(3))
        calls: list[Callable[[], object]] = [
            lambda x=x, out=out: np.copyto(out, x),  # type: ignore[misc]
            lambda x=x, y=y, out=out: np.add(x, y, out=out),  # type: ignore[misc]
            lambda x=x, out=out: np.clip(x, 0, np.inf, out=out),  # type: ignore[misc]
            lambda x=x, y=y, out=out: np.multiply(x, y > 0, out=out),  # type: ignore[misc]
        ]
        rows.append([f"{4 * size / 1e6:.2f} MB", *(f"{seconds(call, least) / size * 1e9:.2f}" for call in calls)])
    return rows


def gathers(least: float) -> list[list[str]]:
    """Nanoseconds an element of a copy out of every other run."""
    rows = []
    for run in RUNS:
        x = np.ones((1 << 16) // run * 2 * run, np.float32).reshape(-1, 2, run)
        out = np.empty((len(x), run), np.float32)
        taken = seconds(lambda x=x, out=out: np.copyto(out, x[:, 0]), least)  # type: ignore[misc]
        rows.append([f"{run}", f"{taken / out.size * 1e9:.2f}"])
    return rows


def calls(least: float) -> list[list[str]]:
    """Microseconds a call, alone and beside a thread that does the same: what the interpreter's lock costs."""
    rows = []
    for size in (1, 1 << 12, 1 << 16):

        def many(size: int = size) -> None:
            x = np.zeros(size, np.float32)  # whose sums stay finite
            for _ in range(200):
                np.add(x, x, out=x)

        def both(many: Callable[[], None] = many) -> None:
            threads = [Thread(target=many) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        alone, together = (seconds(call, least) / 200 * 1e6 for call in (many, both))
        rows.append([f"{size}", f"{alone:.2f}", f"{together:.2f}"])
    return rows


@click.command()
@click.option("--seconds", "least", default=0.3, show_default=True, help="Of each measurement.")
@options.DATA_DIR
def main(least: float, data_dir: Path | None) -> None:
    """Measure products, passes over memory, gathers and calls on one core (calls: also on two)."""
    with data_folder(data_dir) as folder:
        click.echo(f"{described(folder)}\n")
    table(["matrix product, one core", "GFLOP/s"], products(least))
    table(["a pass, ns an element", "copy", "add", "relu", "relu's adjoint"], passes(least))
    table(["a gather of runs of", "ns an element"], gathers(least))
    table(["a call on elements, us", "alone", "two threads"], calls(least))


if __name__ == "__main__":
    restart_clean("bench.roofline")
    main()
