"""Media types and what is in them."""

from typing import Any, Literal

from convserve_service.openapi.schemas import Schemas
from convserve_service.operations import BINARY, Media

Mode = Literal["validation", "serialization"]
EVENTS = "text/event-stream"


def content(media: Media, schemas: Schemas, mode: Mode, example: Any = None) -> dict[str, Any]:
    """By media type; `example` is one of the JSON body."""
    described = {kind: {"schema": _schema(kind, shape, schemas, mode)} for kind, shape in media.items()}
    if example is not None:
        described["application/json"]["example"] = example
    return described


def _schema(kind: str, shape: Any, schemas: Schemas, mode: Mode) -> dict[str, Any]:
    if shape == BINARY:
        return {"type": "string"} if kind.startswith("text/") else {"type": "string", "format": "binary"}
    if kind == EVENTS:
        data = {"type": "string", "contentMediaType": "application/json", "contentSchema": schemas.of(shape, mode)}
        strings = {name: {"type": "string"} for name in ("id", "event")}
        return {"type": "object", "description": "Each event.", "properties": {**strings, "data": data}}
    return schemas.of(shape, mode)
