"""`make bench-footprint`: what our service takes on the disk, in time and in memory beside a minimal one in PyTorch."""

import random
from dataclasses import asdict
from pathlib import Path

import click

from bench import options
from bench.environment import restart_clean
from bench.footprint import environments
from bench.footprint.figures import goals, tell
from bench.footprint.measuring import Differ, measure
from bench.footprint.sides import OURS, PYTORCH
from bench.machine import data_folder, described
from bench.report import save

ENVIRONMENTS, SAVED = Path("build/footprint"), Path("build/bench-footprint.json")


@click.command()
@click.option("--starts", default=10, show_default=True, help="Counted starts of each service, after one that is not.")
@click.option("--ours-only", is_flag=True, help="Leave PyTorch out; then there is nothing to compare with.")
@options.comparing(ENVIRONMENTS, SAVED)
def main(
    starts: int, ours_only: bool, here: bool, reuse: bool, made: Path, seed: int, saved: Path, data_dir: Path | None
) -> None:
    """Compare installed size, start to first prediction, and memory.

    It fails where the services do not answer the same, and never because of a figure.
    """
    sides = [
        environments.here(name) if here else environments.fresh(name, made / name.lower(), reuse=reuse)
        for name in ((OURS,) if ours_only else (OURS, PYTORCH))
    ]
    sizes = {side.name: environments.installed_bytes(side) for side in sides}
    versions = {side.name: environments.version(side) for side in sides}
    with data_folder(data_dir) as folder:
        machine = f"{described(folder)}; installed: {', '.join(versions.values())}"
        click.echo(f"footprint of LeNet-5: one worker, one compute thread\n{machine}")
        click.echo(f"{starts} starts of each after one, in random order\n")
        try:
            visits = measure(sides, folder, starts, random.Random(seed))
        except Differ as error:
            raise click.ClickException(str(error)) from error
    tell(sizes, visits)
    content = {
        "machine": machine,
        "bytes": sizes,
        "visits": {name: [asdict(one) for one in found] for name, found in visits.items()},
        "goals": [{**asdict(one), "met": one.met} for one in goals(sizes, visits)],
    }
    save(saved, content)


if __name__ == "__main__":
    restart_clean("bench.footprint")
    main()
