"""`make bench-engine` and `make bench-smoke`: training steps and inference, ours beside PyTorch and ONNX Runtime."""

import random
from dataclasses import replace
from pathlib import Path

import click

from bench import options
from bench.engine import goals, tables
from bench.engine.cells import SIDES, TRAIN, Cell
from bench.engine.measuring import measure
from bench.engine.networks import NETWORKS
from bench.engine.plan import Plan
from bench.engine.saved import save
from bench.environment import restart_clean
from bench.machine import data_folder, described
from bench.report import progress

ALL = Plan()
SMOKE = Plan(batches=(1, 8), threads=(2,), rounds=1, burst=0.0, peak_tries=1)
SMOKE_MEMORY = (Cell("lenet5", 8, TRAIN, 2),)
SAVED, SMOKE_SAVED = Path("build/bench-engine.json"), Path("build/bench-smoke.json")


@click.command()
@click.option("--networks", default=",".join(ALL.networks), show_default=True, callback=options.among(tuple(NETWORKS)))
@click.option("--batches", default="1,8,64,256", show_default=True, callback=options.numbers)
@click.option("--modes", default=",".join(ALL.modes), show_default=True, callback=options.among(tuple(SIDES)))
@click.option(
    "--threads", default="1,2", show_default=True, callback=options.numbers, help="Compute threads of each side."
)
@click.option("--sides", default=",".join(ALL.sides), show_default=True, callback=options.among(ALL.sides))
@click.option("--rounds", default=ALL.rounds, show_default=True, help="The most rounds of a cell.")
@click.option("--seconds", default=ALL.seconds, show_default=True, help="Time of a cell's rounds; 5 are always run.")
@click.option("--memory/--no-memory", default=True, show_default=True, help="Whether to measure peak memory too.")
@click.option("--smoke", is_flag=True, help="Batches 1 and 8, one round, memory of one cell: only results matter.")
@options.SEED
@click.option("--json", "saved", type=options.PATH, help=f"The file to write.  [default: {SAVED}]")
@options.DATA_DIR
def main(
    networks: tuple[str, ...], batches: tuple[int, ...], modes: tuple[str, ...], threads: tuple[int, ...],
    sides: tuple[str, ...], rounds: int, seconds: float, memory: bool, smoke: bool, seed: int, saved: Path | None,
    data_dir: Path | None,
) -> None:  # fmt: skip
    """Compare the engine with PyTorch eager and ONNX Runtime.

    It fails where they do not compute the same, and never because of a time.
    """
    chosen = replace(ALL, networks=networks, batches=batches, modes=modes, threads=threads, sides=sides)
    plan = replace(chosen, rounds=rounds, seconds=seconds, memory=chosen.training_cells() if memory else ())
    if smoke:
        plan = replace(SMOKE, networks=networks, sides=sides, memory=SMOKE_MEMORY)
    with data_folder(data_dir) as folder:
        machine = described(folder)
        click.echo(f"the engine, side by side\n{machine}\nup to {plan.rounds} rounds of each cell, in random order")
        results = measure(plan, folder, random.Random(seed), say=progress)
    progress("")
    tables.tell(results)
    if not smoke:
        goals.tell(results)
    save(saved or (SMOKE_SAVED if smoke else SAVED), machine, plan, results)
    if results.failures:
        raise click.ClickException("\n".join([*results.failures, f"{len(results.failures)} cells failed"]))
    if len(sides) > 1:
        click.echo("all sides gave the same results")


if __name__ == "__main__":
    restart_clean("bench.engine")
    main()
