"""The application that is traced: every kind of write, one after the other in one thread, each with its own key."""

import gc
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from werkzeug.test import Client

from convserve_service.app import create_app
from convserve_service.settings import Settings
from convserve_service.store import catalog
from convserve_service.store.errors import StoreUnavailable
from convserve_service.store.store import Store
from tests.service.calls import batch, safetensors, tensor
from tests.service.specs import SIMPLE_CNN, trained_with

STORED = ("Content-Type", "Inference-Header-Content-Length", "Convserve-Model-Version")
ATTEMPTS = 4
PAGES = 30  # the catalog is tidied beyond that many pages, so that it happens on the way


@dataclass(frozen=True)
class Write:
    """A request; its key is its name."""

    key: str
    method: str
    path: str
    body: Any = None


@dataclass(frozen=True)
class Answer:
    """What a client got; `headers` are those that a stored reply repeats."""

    key: str
    status: int
    body: str
    headers: dict[str, str]

    @property
    def applied(self) -> bool:
        return 200 <= self.status < 300

    @property
    def lasting(self) -> dict[str, Any]:
        """The members that do not tell the time."""
        return {name: value for name, value in json.loads(self.body).items() if name != "created"}


def _tensors(shapes: dict[str, list[int]]) -> list[dict[str, Any]]:
    return [
        tensor(name, np.linspace(-1, 1, int(np.prod(shape))).tolist(), shape, "FP32") for name, shape in shapes.items()
    ]


def _file(arrays: dict[str, tuple[str, Any]]) -> bytes:
    """A safetensors file."""
    header, data = {}, b""
    for name, (dtype, array) in arrays.items():
        start, data = len(data), data + array.tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [start, len(data)]}
    return safetensors(header, data)


SHAPES = {"conv.weight": [2, 1, 3, 3], "conv.bias": [2], "fc.weight": [2, 8], "fc.bias": [2]}
GRADIENTS = {"inputs": _tensors({f"grad/{name}": shape for name, shape in SHAPES.items()})}
WEIGHTS = _file({name: ("F32", np.full(shape, 0.125, "<f4")) for name, shape in SHAPES.items()})
DATASET = _file(
    {"x": ("U8", np.arange(64, dtype="u1").reshape(4, 1, 4, 4)), "y": ("I64", np.arange(4, dtype="<i8") % 2)}
)
ADAM = trained_with(optimizer={"name": "adam"})
M, GONE = "/v2/models/m", "/v2/models/gone"
FIRST = (
    Write("create", "PUT", M, ADAM),
    Write("create-gone", "PUT", GONE, SIMPLE_CNN),
    Write("train", "POST", f"{M}/train", batch(4, epochs=2, batch_size=2, shuffle_seed=1)),
    Write("alias", "PUT", f"{M}/aliases/best", {"version": "2"}),
    Write("step", "POST", f"{M}/step", GRADIENTS),
    Write("weights", "PUT", f"{M}/weights", WEIGHTS),
    Write("dataset", "PUT", "/v2/datasets/d", DATASET),
    Write("delete", "DELETE", GONE),
)
SECOND = (
    Write("rollback", "POST", f"{M}/rollback", {"version": "2"}),
    Write("train-again", "POST", f"{M}/train", batch(2)),
    Write("delete-alias", "DELETE", f"{M}/aliases/best"),
    Write("create-again", "PUT", GONE, SIMPLE_CNN),
    Write("last", "POST", f"{M}/train", batch(2, epochs=2)),
)
SCRIPT = (*FIRST, *SECOND)


def settings(data_dir: Path) -> Settings:
    """One compute thread; states of two versions stay, so that files are removed."""
    return Settings(data_dir=data_dir, threads=1, keep=2)


@contextmanager
def application(data_dir: Path) -> Iterator[Client]:
    """The application as a worker has it; its descriptors are closed at the end."""
    client = Client(create_app(settings(data_dir)))
    try:
        yield client
    finally:
        del client
        gc.collect()


def send(client: Client, write: Write) -> Answer:
    data = write.body if isinstance(write.body, bytes) or write.body is None else json.dumps(write.body).encode()
    reply = client.open(write.path, method=write.method, data=data, headers={"Idempotency-Key": write.key})
    headers = {name: reply.headers[name] for name in STORED if name in reply.headers}
    return Answer(write.key, reply.status_code, reply.get_data().decode("latin-1"), headers)


def run(data_dir: Path, report: Path) -> None:
    """Open the data directory as `serve` does and write; halfway another worker takes over.

    A line of the report for every reply, and for the reason why a data directory was refused.
    """
    descriptor = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(line: dict[str, Any]) -> None:
        os.write(descriptor, json.dumps(line).encode() + b"\n")

    catalog.CHECKPOINT_PAGES = PAGES
    try:
        store = Store.open(data_dir)
        store.sweep(store.found())
        for part in (FIRST, SECOND):
            with application(data_dir) as client:
                for write in part:
                    for _ in range(ATTEMPTS):
                        answer = send(client, write)
                        note(asdict(answer))
                        if answer.applied:
                            break
    except (OSError, StoreUnavailable) as error:  # what `serve` tells its user
        note({"refused": str(error)})


def answers(report: Path) -> tuple[list[Answer], list[str]]:
    """What a report says: the replies in order, and why data directories were refused."""
    lines = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    return [Answer(**line) for line in lines if "key" in line], [line["refused"] for line in lines if "refused" in line]
