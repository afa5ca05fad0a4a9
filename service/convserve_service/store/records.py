"""The rows of the catalog, as immutable values."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ModelRow:
    """A model: its specification as JSON text, defaults filled in."""

    name: str
    spec: str
    created: str
    loaded: bool


@dataclass(frozen=True)
class VersionRow:
    """One version. The row stays when its state has gone (`available` false); digests are `sha256:<hex>`."""

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
    available: bool = True
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Key:
    """An idempotency key, the API key that owns it, and the SHA-256 of the request that came with it."""

    owner: str
    value: str
    fingerprint: bytes


@dataclass(frozen=True)
class Reply:
    """A reply of a writing verb, stored byte for byte beside what it acknowledges."""

    status: int
    body: bytes
    content_type: str = "application/json"
    header_length: str | None = None
    model_version: str | None = None
