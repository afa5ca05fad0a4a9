"""The table of each mode and number of threads."""

from collections.abc import Sequence
from statistics import median

import click

from bench.engine.cells import LABELS, OURS, SIDES, TRAIN, Cell
from bench.engine.measuring import Remembered, Results, Timed
from bench.engine.ratios import Ratio, of_memory, of_times
from bench.report import table

TITLES = {TRAIN: "a training step", "infer": "inference"}


def tell(results: Results) -> None:
    for mode in SIDES:
        for threads in sorted({one.cell.threads for one in results.timed}):
            timed = [one for one in results.timed if (one.cell.mode, one.cell.threads) == (mode, threads)]
            if timed:
                click.echo(f"{TITLES[mode]}, {_threads(threads)} each; ms a call, ratios with quartiles")
                _times(mode, timed)
    for threads in sorted({one.cell.threads for one in results.remembered}):
        click.echo(f"peak memory of ten training steps less what the imports take, {_threads(threads)} each; MB")
        _memory([one for one in results.remembered if one.cell.threads == threads])


def _times(mode: str, timed: Sequence[Timed]) -> None:
    sides = [side for side in SIDES[mode] if any(side in one.rounds[0] for one in timed)]
    others = [side for side in sides if side != OURS] if OURS in sides else []
    ratios = {side: {ratio.cell: ratio for ratio in of_times(timed, side)} for side in others}
    head = ["cell", *(LABELS[side] for side in sides)]
    for side in others:
        head += [f"/ {LABELS[side]}", "quartiles"]
    head += ["GFLOP/s", "of GEMM peak", "rounds"] if OURS in sides else ["rounds"]
    rows = []
    for one in timed:
        middle = {side: median(times[side] for times in one.rounds) for side in sides}
        row = [_name(one.cell), *(_milliseconds(middle[side]) for side in sides)]
        for side in others:
            row += _ratio(ratios[side][one.cell])
        if OURS in sides:
            row += [f"{one.flops / middle[OURS] / 1e9:.1f}", f"{one.flops / middle[OURS] / one.peak:.0%}"]
        rows.append([*row, str(len(one.rounds))])
    table(head, rows)


def _memory(remembered: Sequence[Remembered]) -> None:
    sides = list(remembered[0].peaks)
    others = [side for side in sides if side != OURS] if OURS in sides else []
    ratios = {side: {ratio.cell: ratio for ratio in of_memory(remembered, side)} for side in others}
    rows = [
        [_name(one.cell), *(f"{one.peaks[side] / 1e6:.1f}" for side in sides),
         *(f"{ratios[side][one.cell].middle:.2f}" for side in others)]
        for one in remembered
    ]  # fmt: skip
    table(["cell", *(LABELS[side] for side in sides), *(f"/ {LABELS[side]}" for side in others)], rows)


def _name(cell: Cell) -> str:
    return f"{cell.network}, {cell.batch}"


def _ratio(ratio: Ratio) -> list[str]:
    return [f"{ratio.middle:.2f}", f"{ratio.low:.2f}-{ratio.high:.2f}"]


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3f}" if seconds < 0.01 else f"{1000 * seconds:.1f}"


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"
