"""The service: its models by name."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from convserve_client.architectures import TEMPLATES
from convserve_client.errors import ConvserveError
from convserve_client.model import Model
from convserve_client.retries import Retries
from convserve_client.transport import Timeout, Transport
from convserve_wire import paths


class Client:
    """A convserve service at `url`. `timeout` is (connect, read) in seconds; safe to share between threads."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout: Timeout = (3.05, 90.0),
        retries: Retries | None = None,
        api_key: str | None = None,
    ) -> None:
        self._transport = Transport(url, timeout=timeout, retries=retries or Retries(), api_key=api_key)

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
        self._transport.write("PUT", paths.fill(paths.MODEL, model=name), body, key=idempotency_key)
        return self.model(name)

    def model(self, name: str) -> Model:
        """A model by name, without asking whether it is there."""
        return Model(self._transport, name)

    def models(self) -> list[dict[str, str]]:
        """Every model: name, newest version, state."""
        listed: list[dict[str, str]] = self._transport.read("POST", paths.INDEX).json()
        return listed

    def metadata(self) -> dict[str, Any]:
        """Name, version, extensions and limits of the server."""
        described: dict[str, Any] = self._transport.read("GET", paths.SERVER).json()
        return described

    def ready(self) -> bool:
        """Whether the service can predict now; no error where it cannot be reached."""
        try:
            return bool(self._transport.once("GET", paths.READY).json()["ready"])
        except ConvserveError:
            return False
