"""The command line."""

from pathlib import Path
from typing import Any

import click

from convserve_service.release import VERSION


@click.group()
@click.version_option(VERSION)
def main() -> None:
    """Serve and train convolutional neural networks over HTTP."""


@main.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on, 0 for a free one.  [default: 8000]")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where models live.  [default: convserve-data]")
@click.option("--workers", type=int, help="Processes that answer requests.  [default: 1]")
@click.option("--threads", type=int, help="Compute threads of a worker.  [default: the cores]")
@click.option("--request-threads", type=int, help="Requests that a worker answers at once.  [default: 16]")
def serve(**given: Any) -> None:
    """Start the service; every option is also an environment variable CONVSERVE_<OPTION>."""
    from pydantic import ValidationError

    from convserve_service import serve as server
    from convserve_service.settings import Settings

    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        raise click.UsageError("; ".join(problems)) from error
    server.serve(settings)
