"""A write as it was sent and a reply as it came: both immutable, replies equal when they are equal to the byte."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SHOWN = 300  # bytes of a body in a report


@dataclass(frozen=True)
class Write:
    """A request with its Idempotency-Key, so that it can be sent again and again.

    `steps` are the optimizer steps that it makes; `alias` is the alias that it sets or deletes, None for other verbs.
    """

    key: str
    verb: str
    model: str
    method: str
    path: str
    body: bytes | None
    options: Mapping[str, str] = field(default_factory=dict)
    steps: int = 0
    alias: str | None = None
    target: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {**self.options, "Idempotency-Key": self.key}

    @property
    def makes_version(self) -> bool:
        return self.verb in ("create", "train", "step", "weights", "rollback")

    def __str__(self) -> str:
        return f"{self.method} {self.path} (key {self.key})"


@dataclass(frozen=True)
class Answer:
    """What a repeat by key must give again: status, body and the three headers. The ETag is a reader's."""

    status: int
    content: bytes
    content_type: str | None
    header_length: str | None
    model_version: str | None
    etag: str | None = None

    @property
    def members(self) -> dict[str, Any]:
        """The JSON of the reply; of a binary one, its header."""
        text = self.content if self.header_length is None else self.content[: int(self.header_length)]
        found: dict[str, Any] = json.loads(text)
        return found

    @property
    def version(self) -> int:
        return int(self.model_version or 0)

    def __str__(self) -> str:
        headers = f"{self.content_type}, header {self.header_length}, version {self.model_version}"
        return f"{self.status}, {headers}, {len(self.content)} bytes: {self.content[:SHOWN]!r}"
