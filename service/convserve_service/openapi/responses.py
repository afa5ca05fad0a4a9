"""What an operation answers: its replies, and the errors that may happen."""

from http import HTTPStatus
from typing import Any

from convserve_service.openapi.content import content
from convserve_service.openapi.faults import STATUSES, explain, faults
from convserve_service.openapi.schemas import ERROR, Schemas
from convserve_service.operations import Operation, envelope
from convserve_wire.envelope import HEADER_LENGTH

BODYLESS = {204, 302, 304}
NUMBER = {"type": "string", "pattern": "^[1-9][0-9]*$"}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "Names this request in the log of the service", "required": True, "schema": {"type": "string"},
    },
    "Convserve-Model-Version": {"description": "The version that was used, made, or is the newest", "schema": NUMBER},
    "Convserve-Degraded": {"description": "A newest version that was lost", "schema": NUMBER},
    "Retry-After": {"description": "Seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "ETag": {"description": "The digest of the bytes", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "How to say who asks", "schema": {"type": "string", "const": "Bearer"}},
    "Location": {"description": "Where to look", "schema": {"type": "string"}},
    HEADER_LENGTH: {"description": "Bytes of the JSON header; without it all is JSON", "schema": NUMBER},
}  # fmt: skip
OF_STATUS = {
    302: ["Location"], 401: ["WWW-Authenticate"], 409: ["Retry-After"], 429: ["Retry-After"], 503: ["Retry-After"],
}  # fmt: skip
OF_MODEL = ["Convserve-Model-Version", "Convserve-Degraded"]


def responses(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    """By status."""
    replies = {str(status): _reply(operation, status, schemas) for status in operation.statuses}
    errors = {str(status): {"$ref": f"#/components/responses/{status}"} for status in faults(operation)}
    return {**replies, **errors}


def _reply(operation: Operation, status: int, schemas: Schemas) -> dict[str, Any]:
    names = OF_MODEL if "{model}" in operation.path else []
    binary = [HEADER_LENGTH] if envelope(operation.reply) else []
    tag = ["ETag"] if "If-None-Match" in operation.headers else []
    described: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    described["headers"] = _headers(status, names + binary + tag)
    if status not in BODYLESS and operation.reply:
        described["content"] = content(operation.reply, schemas, "serialization")
    return described


def _headers(status: int, names: list[str]) -> dict[str, Any]:
    every = ["X-Request-Id", *names, *OF_STATUS.get(status, ())]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in every}


FAULTS = {
    str(status): {
        "description": explain(status),
        "headers": _headers(status, OF_MODEL),
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{ERROR}"}}},
    }
    for status in STATUSES
}
