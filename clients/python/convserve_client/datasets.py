"""Rows that stay with the service under a name."""

from hashlib import sha256
from typing import Any
from urllib.parse import quote

from convserve_client import decode, safetensors
from convserve_client.decode import promised
from convserve_client.results import Dataset
from convserve_client.tensors import paired
from convserve_client.transport import Transport
from convserve_wire import paths
from convserve_wire.tensors import Array


def put(transport: Transport, x: Any, y: Any, name: str | None = None, *, key: str | None = None) -> Dataset:
    """Store x [N,C,H,W] and y under a name, or under one that follows from the bytes."""
    x, y = paired(x, y)
    data = safetensors.save({"x": x, "y": y})
    name = f"fit-{sha256(data).hexdigest()[:32]}" if name is None else name
    return decode.dataset(transport.write("PUT", path(name), data, key=key))


def get(transport: Transport, name: str) -> tuple[Array, Array]:
    """(x, y)."""
    found = safetensors.load(transport.read("GET", path(name)).body)
    with promised():
        return found["x"], found["y"]


def every(transport: Transport) -> list[Dataset]:
    return decode.datasets(transport.read("GET", paths.DATASETS))


def path(name: str) -> str:
    """Whatever a name holds, it stays one part of the path."""
    return paths.fill(paths.DATASET, dataset=quote(name, safe=""))
