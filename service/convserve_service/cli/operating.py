"""Commands on a data directory, with or without a service on it; all but `acknowledge` change nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convserve_service import blas
from convserve_service.store.errors import StoreError

if TYPE_CHECKING:
    from convserve_service.store.store import Store

FOLDER = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    envvar="CONVSERVE_DATA_DIR",
    default=Path("convserve-data"),
    show_default=True,
    help="Where models live.",
)
DIFFERENT = 1


@contextmanager
def opened(data_dir: Path, *, new: bool = False) -> Iterator[Store]:
    """The store of a data directory that is there, or may be `new`; its errors as one line and a status of 1."""
    from convserve_service.store.store import Store

    if not (new or (data_dir / "catalog.sqlite").exists()):
        raise click.ClickException(f"there is no catalog in {data_dir}; name the folder with --data-dir")
    try:
        yield Store.open(data_dir)
    except (StoreError, OSError) as error:
        raise click.ClickException(str(error)) from error


def datasets_of(store: Store) -> Any:
    """The datasets of a store, for who only reads."""
    from convserve_service.datasets import Datasets
    from convserve_service.turns import Turns

    return Datasets(store, Turns(store, writers=1))


@click.command()
@click.argument("name")
@click.option("--from", "start", type=int, help="Begin after this version.  [default: the creation]")
@FOLDER
def replay(name: str, start: int | None, data_dir: Path) -> None:
    """Make a model's versions again.

    From its jobs and their datasets; the digests must be the same.
    """
    blas.one_thread()
    from convserve_model import Engine, ModelError
    from convserve_service.reader import Reader
    from convserve_service.replaying import Replay

    different = count = 0
    with opened(data_dir) as store:
        try:
            for made in Replay(Reader(store, heal=False), datasets_of(store), Engine(1)).run(name, start):
                count += 1
                different += not made.same
                told = "same" if made.same else "DIFFERENT"
                click.echo(f"version {made.row.version:>6}  {made.row.verb:<6} step {made.row.step:>8}  {told}")
        except ModelError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{count} versions made again, {different} different")
    sys.exit(DIFFERENT if different else 0)


@click.command()
@FOLDER
def verify(data_dir: Path) -> None:
    """Check everything against its digest.

    Every state, every dataset, every history, and the catalog itself.
    """
    blas.one_thread()
    from convserve_service.audit import audit

    found = wrong = 0
    with opened(data_dir) as store:
        for finding in audit(store, datasets_of(store)):
            found += 1
            if finding.problem is not None:
                wrong += 1
                click.echo(f"{finding.what}: {finding.problem}")
    click.echo(f"{found} things looked at, {wrong} of them not whole")
    sys.exit(DIFFERENT if wrong else 0)


@click.command()
@FOLDER
def doctor(data_dir: Path) -> None:
    """Say what is wrong with a set-up.

    Looks at the machine, SQLite, the disk and the data directory.
    """
    blas.one_thread()
    from convserve_service.doctor import examine

    worries = 0
    for fact in examine(data_dir):
        worries += fact.worry is not None
        click.echo(f"  ok    {fact.text}" if fact.worry is None else f"  WORRY {fact.text}: {fact.worry}")
    sys.exit(DIFFERENT if worries else 0)


@click.command()
@click.argument("name")
@FOLDER
def acknowledge(name: str, data_dir: Path) -> None:
    """Confirm that you know of a lost version.

    The model's replies say so no more.
    """
    with opened(data_dir) as store, store.catalog.transaction() as transaction:
        if not transaction.acknowledge(name):
            raise click.ClickException(f"there is no model '{name}'")
    click.echo(f"{name} is acknowledged")
