"""What several benchmarks are asked in the same words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

PATH = click.Path(path_type=Path)
SEED = click.option("--seed", default=0, show_default=True, help="Seed of the order within rounds.")
DATA_DIR = click.option("--data-dir", type=click.Path(path_type=Path, exists=True), help="A folder on the disk to use.")


def comparing(environments: Path, file: Path) -> Callable[[Any], Any]:
    """What is asked where services are compared, each in an environment of its own: by default made and saved here."""
    options = (
        click.option("--here", is_flag=True, help="Install nothing: all run in the environment of this program."),
        click.option("--reuse", is_flag=True, help="Use the environments that are there from an earlier run."),
        click.option(
            "--environments", "made", type=PATH, default=environments, show_default=True, help="Where they are made."
        ),
        SEED,
        click.option("--json", "saved", type=PATH, default=file, show_default=True, help="The file to write."),
        DATA_DIR,
    )

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def among(known: tuple[str, ...]) -> Callable[[click.Context, click.Parameter, str], tuple[str, ...]]:
    """An option's value as names from a list, separated by commas."""

    def parse(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
        names = tuple(value.split(","))
        if unknown := [name for name in names if name not in known]:
            raise click.BadParameter(f"{', '.join(unknown)}: there are {', '.join(known)}")
        return names

    return parse


def numbers(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """An option's value as positive numbers, separated by commas."""
    if not all(word.isdigit() and int(word) for word in value.split(",")):
        raise click.BadParameter(f"{value!r} is not a list of positive numbers, as in 1,2")
    return tuple(map(int, value.split(",")))
