"""The tables of a run."""

from collections.abc import Sequence
from statistics import median

import click

from bench.footprint.sides import OURS
from bench.report import goal, spread, table
from bench.service.cells import Cell, Loaded
from bench.service.goals import Figure, judged, others, ratios, slower
from bench.service.interference import CONNECTIONS, Round
from bench.service.measuring import Results

KEPT = 0.9  # of the constant rate; a service that reaches less is behind all the time
COLUMNS: dict[str, tuple[Figure, float, int]] = {  # figure, scale, digits
    "requests/s": (lambda one: one.flat.rate, 1, 0),
    "CPU ms a request": (lambda one: one.flat.cpu, 1000, 2),
    "p50 ms": (lambda one: one.flat.p50, 1000, 1),
    "p99 ms": (lambda one: one.flat.p99, 1000, 1),
    "constant: p50 ms": (lambda one: one.steady.p50, 1000, 1),
    "p99 ms ": (lambda one: one.steady.p99, 1000, 1),
}
COMPARED: dict[str, Figure] = {
    "requests/s": lambda one: one.flat.rate,
    "p99 flat out": lambda one: one.flat.p99,
    "p99 at a constant rate": lambda one: one.steady.p99,
}


def tell(results: Results) -> None:
    click.echo(f"without a request all services together keep {results.idle:.3f} cores busy\n")
    for cell in results.cells:
        click.echo(f"{cell}; medians of {len(cell.rounds)} rounds; the constant rate is {cell.rate:.0f} requests/s")
        _cell(cell)
        if names := others(cell):
            _compared(cell, names)
    _training(results.training)
    for one in judged(results):
        goal(one.text, f"{one.ratio:.2f} ({one.where})", one.met)


def _cell(cell: Cell) -> None:
    rows = []
    for name in cell.rounds[0]:
        found = [one[name] for one in cell.rounds]
        middles = [f"{scale * median(map(figure, found)):.{digits}f}" for figure, scale, digits in COLUMNS.values()]
        rows.append([name, *middles, "" if _kept(found) else "rate not kept"])
    table(["", *map(str.strip, COLUMNS), ""], rows)


def _kept(found: Sequence[Loaded]) -> bool:
    return median(one.steady.rate / one.steady.asked for one in found) >= KEPT


def _compared(cell: Cell, names: Sequence[str]) -> None:
    head = [f"{OURS} /"]
    for text in COMPARED:
        head += [f"{text}: min", "median", "max"]
    rows = [
        [name, *(word for figure in COMPARED.values() for word in spread(ratios(cell, name, figure)))] for name in names
    ]
    table(head, rows)


def _training(rounds: Sequence[Round]) -> None:
    click.echo(f"predictions of {OURS} (JSON, {CONNECTIONS} connections, {rounds[0].idle.asked:.0f} requests/s)")
    phases = {
        "nothing else": [one.idle for one in rounds],
        "while a job trains their model": [one.training for one in rounds],
    }
    rows = [
        [name, *spread([one.p50 for one in found], 1000), *spread([one.p99 for one in found], 1000)]
        for name, found in phases.items()
    ]
    table(["ms", "p50: min", "median", "max", "p99: min", "median", "max"], rows)
    table(["of pairs", "min", "median", "max"], [["p99, training / nothing else", *spread(slower(rounds))]])
