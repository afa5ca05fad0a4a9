"""The rows of the catalog, as immutable values."""

from typing import Any, NamedTuple

from convserve_wire.replies import State

AVAILABLE, COLLECTED, DAMAGED = "available", "collected", "damaged"
QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "queued", "running", "succeeded", "failed", "cancelled"
UNFINISHED = (QUEUED, RUNNING)


class ModelRow(NamedTuple):
    """A model: its specification as JSON text, defaults filled in; `degraded` is a newest version that was lost."""

    name: str
    spec: str
    created: str
    loaded: bool
    degraded: int | None = None


class VersionRow(NamedTuple):
    """One version. The row stays when its state is collected or damaged; digests are `sha256:<hex>`.

    `release` and `cpu` are where its bits come from.
    """

    model: str
    version: int
    parent: int | None
    verb: str
    hyperparameters: dict[str, Any]
    step: int
    loss: float | None
    digest: str
    weights_digest: str
    blob: str
    created: str
    release: str
    cpu: str
    state: str = AVAILABLE
    aliases: tuple[str, ...] = ()

    @property
    def available(self) -> bool:
        return self.state == AVAILABLE


class DatasetRow(NamedTuple):
    """An immutable dataset; `digest` is the SHA-256 of its file."""

    name: str
    digest: str
    blob: str
    rows: int
    size: int
    created: str


class JobRow(NamedTuple):
    """A long training: `done` of `steps` optimizer steps are committed, the last of them as `version`.

    `attempts` is how often it was begun since the last commit; `speed` is in images a second.
    """

    id: int
    model: str
    dataset: str
    digest: str
    options: dict[str, Any]
    state: State
    cancel: bool
    attempts: int
    done: int
    steps: int
    loss: float | None
    speed: float | None
    version: int | None
    error: str | None
    created: str
    updated: str

    @property
    def finished(self) -> bool:
        return self.state not in UNFINISHED


class ApiKey(NamedTuple):
    """Who may use the service, and for what; `hash` is the SHA-256 of the whole key, `rate` in requests a second."""

    id: str
    name: str
    hash: bytes
    scopes: tuple[str, ...]
    rate: float | None
    concurrency: int | None
    created: str


class Key(NamedTuple):
    """An idempotency key, the API key that owns it, and the SHA-256 of the request that came with it."""

    owner: str
    value: str
    fingerprint: bytes


class Reply(NamedTuple):
    """A reply of a writing verb, stored byte for byte beside what it acknowledges."""

    status: int
    body: bytes
    content_type: str = "application/json"
    header_length: str | None = None
    model_version: str | None = None
