"""A visit: start a service, have it predict and learn, look at its memory, stop it."""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.connections import Connection
from bench.footprint.questions import STEPS, answer, predicting, training
from bench.footprint.services import answered, asked, serving
from bench.footprint.sides import Side
from bench.processes import Memory, members, memory
from tests.servers import Server


@dataclass(frozen=True)
class Held:
    """Memory of the worker, and bytes (PSS) of all processes of the service together."""

    worker: Memory
    service: int


@dataclass(frozen=True)
class Visit:
    """Seconds from the start of the process to the first prediction; what was answered, and what was held then."""

    seconds: float
    logits: list[float]
    losses: list[float]
    predicted: Held
    trained: Held


def visit(side: Side, data: Path) -> Visit:
    """On data of its own, for it learns."""
    ask, learn = predicting(), training()
    started = time.perf_counter()
    with serving(side, data) as server:
        connection, body = answered(server, ask)
        seconds = time.perf_counter() - started
        with closing(connection):
            predicted = _held(connection, server)
            losses = [answer(asked(connection, learn))[0] for _ in range(STEPS)]
            return Visit(seconds, answer(body), losses, predicted, _held(connection, server))


def _held(connection: Connection, server: Server) -> Held:
    worker = connection.worker
    assert worker is not None, "a connection that answered has no worker"
    together = sum(memory(pid).proportional for pid in members(server.process.pid))
    return Held(memory(worker), together)
