"""A service from its start to its end."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bench.connections import Call, Connection
from bench.footprint.sides import HOST, Side
from bench.starts import free_port
from tests.servers import Server, stop

SECONDS = 120.0


@contextmanager
def serving(side: Side, data: Path) -> Iterator[Server]:
    """It does not listen yet when the block begins; what it says is told where the block fails."""
    with data.with_suffix(".log").open("w+") as log:
        port = free_port()
        process = side.start(data, port, log)
        try:
            with told(side.name, log):
                yield Server(f"http://{HOST}:{port}", process, data)
        finally:
            stop(process)


@contextmanager
def told(name: str, log: IO[str], *, last: int = 0) -> Iterator[None]:
    """Where the block fails, the error tells what a service said, or the `last` characters of it."""
    try:
        yield
    except Exception as error:
        log.seek(0)
        error.add_note(f"{name} said:\n{log.read()[-last:]}")
        raise


def answered(server: Server, call: Call) -> tuple[Connection, bytes]:
    """The first reply that is a 200, and the connection that it came over."""
    end, said = time.monotonic() + SECONDS, "none"
    while server.process.poll() is None and time.monotonic() < end:
        with suppress(OSError, http.client.HTTPException):
            connection = Connection(server)
            status, body = connection.ask(call)
            if status == 200:
                return connection, body
            connection.close()
            said = f"{status} {body[:500].decode(errors='replace')}"
        time.sleep(0.002)
    raise RuntimeError(f"no 200 to {call.path} within {SECONDS:g} s, or the service ended; the last reply was {said}")


def asked(connection: Connection, call: Call) -> bytes:
    """The reply's body."""
    status, body = connection.ask(call)
    assert status == 200, f"{call.path} got {status}: {body.decode(errors='replace')}"
    return body
