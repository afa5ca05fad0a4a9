"""`make bench-isolation`: what readers, writers, restarts and new connections notice of each other."""

import random
from pathlib import Path

import click

from bench import held_lock, options, sharing, starts, writers
from bench.environment import restart_clean
from bench.machine import data_folder, described

PARTS = ("lock", "writers", "starts", "connections")


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Measure this part; may be there several times.")
@click.option("--rounds", default=10, show_default=True, help="Rounds of the parts lock and connections.")
@click.option("--requests", default=500, show_default=True, help="Predictions in each phase of a round.")
@click.option("--writer-rounds", default=3, show_default=True, help="Rounds of the writers.")
@click.option("--writer-seconds", default=10.0, show_default=True, help="How long the writers write in each.")
@click.option("--starts", "start_rounds", default=10, show_default=True, help="Starts with each history.")
@click.option("--versions", default=10_000, show_default=True, help="Versions of the long history.")
@options.SEED
@options.DATA_DIR
def main(
    only: tuple[str, ...], rounds: int, requests: int, writer_rounds: int, writer_seconds: float, start_rounds: int,
    versions: int, seed: int, data_dir: Path | None,
) -> None:  # fmt: skip
    """Measure the isolation of LeNet-5's readers and writers, starts with a long history, and fair workers."""
    order, parts = random.Random(seed), only or PARTS
    with data_folder(data_dir) as folder:
        click.echo(f"isolation\n{described(folder)}")
        if "lock" in parts:
            held_lock.tell(held_lock.measure(folder / "lock", rounds, requests, order))
        if "writers" in parts:
            writers.tell(writers.measure(folder / "writers", writer_rounds, writer_seconds), writer_seconds)
        if "starts" in parts:
            starts.tell(starts.measure(folder / "starts", start_rounds, versions, order))
        if "connections" in parts:
            sharing.tell(sharing.measure(folder / "connections", rounds))


if __name__ == "__main__":
    restart_clean("bench.isolation")
    main()
