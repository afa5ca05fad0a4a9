"""What each service finds when it starts: the same LeNet-5, created by ours."""

from contextlib import closing
from pathlib import Path

from bench.connections import Call
from bench.footprint.services import answered, asked, serving
from bench.footprint.sides import LEARNING_RATE, MOMENTUM, OURS, PYTORCH, WEIGHTS, Side
from bench.stores import MODEL
from convserve_client import Client
from convserve_wire import paths

TRAINING = {"optimizer": {"name": "sgd", "learning_rate": LEARNING_RATE, "momentum": MOMENTUM}}


def make(ours: Side, folder: Path) -> dict[str, Path]:
    """By side: a data directory with the model ready, and a folder with the weights that it has."""
    states = {OURS: folder / "state-ours", PYTORCH: folder / "state-pytorch"}
    with serving(ours, states[OURS]) as server, Client(server.url) as client:
        connection, _ = answered(server, Call("GET", paths.READY))
        with closing(connection):
            client.create(MODEL, "lenet5", training=TRAINING)
            weights = asked(connection, Call("GET", paths.fill(paths.WEIGHTS, model=MODEL)))
    states[PYTORCH].mkdir()
    (states[PYTORCH] / WEIGHTS).write_bytes(weights)
    return states
