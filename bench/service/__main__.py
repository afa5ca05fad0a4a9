"""`make bench-service`: predictions of our service beside LitServe, MLServer, BentoML and FastAPI with PyTorch."""

import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import click

from bench import options
from bench.connections import Call
from bench.environment import restart_clean
from bench.footprint.sides import OURS
from bench.footprint.states import TRAINING
from bench.machine import data_folder, described
from bench.report import progress, save
from bench.service import environments, loads, tables
from bench.service.agreement import TOLERANCE, Differ, agree
from bench.service.environments import Installed
from bench.service.goals import judged
from bench.service.measuring import measure
from bench.service.plan import Plan
from bench.service.questions import BINARY, JSON
from bench.service.running import Running, running
from bench.service.sides import NAMES, SIDES
from bench.stores import MODEL
from convserve_client import Client
from convserve_wire import paths

SOME = click.IntRange(min=1)
ENVIRONMENTS, SAVED = Path("build/service"), Path("build/bench-service.json")
ALL = Plan()
SEED = 0


@click.command()
@click.option(
    "--sides", default=",".join(NAMES), show_default=True, callback=options.among(NAMES), help="Ours is always there."
)
@click.option("--connections", default="1,8,32", show_default=True, callback=options.numbers)
@click.option("--forms", default=",".join(ALL.forms), show_default=True, callback=options.among((JSON, BINARY)))
@click.option(
    "--rounds", type=SOME, default=ALL.rounds, show_default=True, help="Rounds of each cell, after one that warms up."
)
@click.option("--seconds", type=SOME, default=ALL.seconds, show_default=True, help="Time of one load.")
@click.option(
    "--training-rounds", type=SOME, default=ALL.training_rounds, show_default=True, help="Rounds beside a training."
)
@options.comparing(ENVIRONMENTS, SAVED)
def main(
    sides: tuple[str, ...], connections: tuple[int, ...], forms: tuple[str, ...], rounds: int, seconds: int,
    training_rounds: int, here: bool, reuse: bool, made: Path, seed: int, saved: Path, data_dir: Path | None,
) -> None:  # fmt: skip
    """Compare requests/s and latency of LeNet-5, one image a request, and what predictions notice of a training.

    It fails where services answer differently or not at all, and never because of a figure.
    """
    if absent := loads.missing():
        raise click.ClickException(
            f"wrk and h2load make the load; get what is missing: apt-get install {' '.join(absent)}"
        )
    plan = Plan(connections, forms, rounds, seconds, training_rounds)
    chosen = [side for side in SIDES if side.name == OURS or side.name in sides]
    installed = []
    for side in chosen:
        progress(f"installing {side.name}")
        fresh = made / side.name.lower()
        installed.append(environments.here(side) if here else environments.fresh(side, fresh, reuse=reuse))
    versions = {one.side.name: one.versions() for one in installed}
    with data_folder(data_dir) as folder, ExitStack() as stack:
        machine = described(folder)
        click.echo(f"one image a request to LeNet-5: two workers and one compute thread each\n{machine}")
        for name, text in versions.items():
            click.echo(f"{name}: {text}")
        try:
            services = start(installed, folder, stack)
            agree(services, forms)
            click.echo(f"all replies are the same within {TOLERANCE} of the largest logit")
            click.echo("wrk and h2load share the cores with the service that they load; the others are idle")
            results = measure(services, plan, random.Random(seed), progress)
            agree(services, forms)
        except Differ as error:
            raise click.ClickException(str(error)) from error
    progress("")
    tables.tell(results)
    content = {"machine": machine, "versions": versions, "plan": asdict(plan), **asdict(results)}
    save(saved, {**content, "goals": [asdict(one) for one in judged(results)]})
    if results.failures:
        raise click.ClickException("\n".join(results.failures))


def start(installed: Sequence[Installed], folder: Path, stack: ExitStack) -> list[Running]:
    """Ours first, which creates the model; the others get its weights."""
    weights = folder / "weights.safetensors"
    services = [stack.enter_context(running(installed[0], folder, weights))]
    services[0].ask(Call("GET", paths.READY))
    with Client(services[0].server.url) as client:
        client.create(MODEL, "lenet5", training=TRAINING, seed=SEED)
    weights.write_bytes(services[0].ask(Call("GET", paths.fill(paths.WEIGHTS, model=MODEL))))
    return [*services, *(stack.enter_context(running(one, folder, weights)) for one in installed[1:])]


if __name__ == "__main__":
    restart_clean("bench.service")
    main()
