"""The service itself, and its demonstration. NumPy is not imported before the number of BLAS threads is set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from convserve_service.cli.asking import failures


@click.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--insecure", is_flag=True, default=None, help="Listen on any address without API keys, open to everybody."
)
@click.option("--port", type=int, help="Port to listen on, 0 for a free one.  [default: 8000]")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where models live.  [default: convserve-data]")
@click.option("--workers", type=int, help="Processes that answer requests.  [default: 1]")
@click.option("--threads", type=int, help="Compute threads of a worker.  [default: the cores]")
@click.option("--request-threads", type=int, help="Requests that a worker answers at once.  [default: 16]")
@click.option("--client-seconds", type=float, help="A client may fall behind for so long.  [default: 10]")
@click.option("--client-rate", type=float, help="Bytes a second that it must send or take.  [default: 16384]")
@click.option("--keep", type=int, help="Versions of a model whose state stays.  [default: 100]")
@click.option("--access-log", is_flag=True, default=None, help="Write a line for each request.")
@click.option("--log-format", type=click.Choice(["logfmt", "json"]), help="How logs are written.  [default: logfmt]")
@click.option("--drain-seconds", type=float, help="Not ready for so long before it stops.  [default: 1]")
def serve(**given: Any) -> None:
    """Start the service.

    Every option is also an environment variable CONVSERVE_<OPTION>.
    """
    from convserve_service import memory

    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look for some in every installed package
    with memory.keep_made():
        from pydantic import ValidationError

        from convserve_service import serve as server
        from convserve_service.settings import Settings

    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        raise click.UsageError("; ".join(problems)) from error
    server.serve(settings)


@click.command()
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of weights and order.")
@click.option("--epochs", type=int, default=8, show_default=True)
@click.option("--keep", is_flag=True, help="Keep serving the trained model, on --port, from --data-dir.")
@click.option("--port", type=int, default=8000, show_default=True, help="With --keep: port to listen on.")
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path("convserve-data"), show_default=True)
def demo(seed: int, epochs: int, keep: bool, port: int, data_dir: Path) -> None:
    """Learn real digits over HTTP, and show it.

    A LeNet-5 learns 8,000 handwritten digits, and says what it thinks of others.
    """
    from convserve_service import demo as demonstration

    with failures():
        if keep:
            demonstration.keep(seed=seed, epochs=epochs, port=port, data_dir=data_dir)
        else:
            demonstration.show(seed=seed, epochs=epochs)
