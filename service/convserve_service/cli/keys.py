"""API keys of a data directory, with or without a service on it; one that runs hears of it within a second."""

from __future__ import annotations

import math
from pathlib import Path

import click

from convserve_service.cli.operating import FOLDER, opened


@click.group()
def keys() -> None:
    """Make, list and revoke API keys.

    A running service hears of it within a second.
    """


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help="infer, gradients, train, or admin for everything; may be given several times.",
)
@click.option("--rate", type=click.FloatRange(0.001, 1e6), help="Requests a second.  [default: no limit]")
@click.option("--concurrency", type=click.IntRange(1, 256), help="Requests at once.  [default: no limit]")
@FOLDER
def create(name: str, scopes: tuple[str, ...], rate: float | None, concurrency: int | None, data_dir: Path) -> None:
    """Make a key for NAME.

    The key is printed this once; only its hash is kept.
    """
    from convserve_service import keys as made
    from convserve_service.operations import Scope
    from convserve_wire.errors import WireError
    from convserve_wire.names import check_name

    if rate is not None and not math.isfinite(rate):
        raise click.UsageError(f"--rate is {rate}, but it must be a number of requests a second")
    try:
        chosen = tuple(Scope(scope) for scope in dict.fromkeys(scopes))
        check_name(name, "key's")
    except ValueError as error:
        raise click.UsageError(f"{error}; the scopes are {', '.join(Scope)}") from error
    except WireError as error:
        raise click.UsageError(str(error)) from error
    with opened(data_dir, new=True) as store:
        key = made.create(store, name, chosen, rate=rate, concurrency=concurrency)
    click.echo(f"this is the key of {name} for {', '.join(chosen)}; it is not shown again:", err=True)
    click.echo(key)


@keys.command(name="list")
@FOLDER
def list_keys(data_dir: Path) -> None:
    """List the keys, without their secrets."""
    with opened(data_dir) as store:
        for row in store.catalog.api_keys():
            rate = "" if row.rate is None else f"  {row.rate:g} a second"
            most = "" if row.concurrency is None else f"  {row.concurrency} at once"
            click.echo(f"{row.name:<24} cs_{row.id}_...  {row.created}  {','.join(row.scopes)}{rate}{most}")


@keys.command()
@click.argument("name")
@FOLDER
def revoke(name: str, data_dir: Path) -> None:
    """Let nobody use the key of NAME any more."""
    from convserve_service import keys as made

    with opened(data_dir) as store:
        made.revoke(store, name)
        left = len(store.catalog.api_keys())
    click.echo(f"the key of {name} is revoked, {left} left")
    if not left:
        click.echo("a service on a loopback address is open to everybody on this machine now, others refuse everybody")
