"""The service: its models and datasets by name, its jobs by number."""

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from convserve_client import datasets, decode
from convserve_client.architectures import TEMPLATES
from convserve_client.errors import ConvserveError
from convserve_client.jobs import Job
from convserve_client.model import Model
from convserve_client.results import Dataset, JobStatus
from convserve_client.retries import Retries
from convserve_client.transport import Timeout, Transport
from convserve_wire import paths
from convserve_wire.tensors import Array

API_KEY = "CONVSERVE_API_KEY"


class Client:
    """A convserve service at `url`; safe to share between threads.

    `timeout` is (connect, read) in seconds, the latter longer than the service allows a request (60).
    `retries` is how often a request may be repeated, or a Retries with the waits between. `api_key` is by default the
    environment's CONVSERVE_API_KEY; it goes to this address only.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout: Timeout = (3.05, 90.0),
        retries: Retries | int | None = None,
        api_key: str | None = None,
    ) -> None:
        described = Retries(retries) if isinstance(retries, int) else retries or Retries()
        key = os.environ.get(API_KEY) if api_key is None else api_key
        self._transport = Transport(url, timeout=timeout, retries=described, api_key=key)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def create(
        self,
        name: str,
        architecture: dict[str, Any] | str,
        *,
        labels: Sequence[str] | None = None,
        preprocess: dict[str, Any] | None = None,
        training: dict[str, Any] | None = None,
        seed: int = 0,
        idempotency_key: str | None = None,
    ) -> Model:
        """A new model; the one that is there, if it was created from the same. `architecture` may name a template."""
        if isinstance(architecture, str):
            if architecture not in TEMPLATES:
                raise ConvserveError(f"there is no template {architecture!r}; there are {', '.join(TEMPLATES)}")
            architecture = TEMPLATES[architecture]()
        spec = {
            "architecture": architecture,
            "labels": None if labels is None else list(labels),
            "preprocess": preprocess,
            "training": training,
            "seed": seed,
        }
        body = {member: value for member, value in spec.items() if value is not None}
        model = self.model(name)
        self._transport.write("PUT", model.path(paths.MODEL), body, key=idempotency_key)
        return model

    def model(self, name: str) -> Model:
        """A model by name, without asking whether it is there."""
        return Model(self._transport, name)

    def models(self) -> list[dict[str, str]]:
        """Every model: name, newest version, state."""
        listed: list[dict[str, str]] = self._transport.read("POST", paths.INDEX).json()
        return listed

    def put_dataset(self, name: str, x: Any, y: Any, *, idempotency_key: str | None = None) -> Dataset:
        """Store x [N,C,H,W] and y under a name; the same again changes nothing, other rows are a Conflict."""
        return datasets.put(self._transport, x, y, name, key=idempotency_key)

    def dataset(self, name: str) -> tuple[Array, Array]:
        """(x, y) as they were stored."""
        return datasets.get(self._transport, name)

    def datasets(self) -> list[Dataset]:
        """Every dataset, by name."""
        return datasets.every(self._transport)

    def delete_dataset(self, name: str, *, idempotency_key: str | None = None) -> None:
        """Conflict while a job uses it."""
        self._transport.write("DELETE", datasets.path(name), key=idempotency_key)

    def jobs(self, limit: int = 100) -> list[JobStatus]:
        """Jobs, newest first."""
        return decode.jobs(self._transport.read("GET", f"{paths.JOBS}?limit={limit}"))

    def job(self, number: int | str) -> Job:
        """A job by number, without asking whether it is there."""
        return Job(self._transport, number)

    def metadata(self) -> dict[str, Any]:
        """Name, version, extensions and limits of the server."""
        described: dict[str, Any] = self._transport.read("GET", paths.SERVER).json()
        return described

    def live(self) -> bool:
        """Whether the service runs; no error where it cannot be reached."""
        return self._says(paths.LIVE, "live")

    def ready(self) -> bool:
        """Whether the service can predict now; no error where it cannot be reached."""
        return self._says(paths.READY, "ready")

    def _says(self, path: str, member: str) -> bool:
        try:
            reply = self._transport.once("GET", path).json()
        except ConvserveError:
            return False
        return isinstance(reply, dict) and reply.get(member) is True
