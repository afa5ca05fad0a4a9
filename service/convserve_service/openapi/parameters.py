"""What an operation takes beside its body: parts of the path, the query, headers."""

import re
from typing import Any

from convserve_service.body import NUMBER
from convserve_service.docs import assets
from convserve_service.operations import Operation, Query, envelope
from convserve_wire import names
from convserve_wire.envelope import HEADER_LENGTH

NAME = {"type": "string", "pattern": f"^{names.NAME.pattern}$"}
PATH: dict[str, dict[str, Any]] = {
    "model": {"description": "The name of a model", "schema": NAME, "example": "tiny"},
    "version": {"description": "The number of a version, or an alias", "schema": NAME, "example": "1"},
    "alias": {
        "description": "A name with at least one letter",
        "schema": {"type": "string", "pattern": f"^(?=.*[a-z_-]){names.NAME.pattern}$"},
        "example": "production",
    },
    "dataset": {"description": "The name of a dataset", "schema": NAME, "example": "rows"},
    "job": {
        "description": "The number of a job",
        "schema": {"type": "string", "pattern": f"^{NUMBER.pattern}$"},
        "example": "1",
    },
    "asset": {"description": "A file of the page", "schema": {"enum": list(assets.FILES)}, "example": assets.START},
}
VISIBLE = "^[!-~]{1,255}$"
NUMBERED = f'^("{NUMBER.pattern}"|{NUMBER.pattern})$'


def _header(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string", **schema}}


HEADERS: dict[str, dict[str, Any]] = {
    name: _header(name, description, schema)
    for name, description, schema in (
        ("Idempotency-Key", "Applied once; a repeat gets the stored reply", {"pattern": VISIBLE}),
        ("If-Match", "Applied to this newest version only, else 412", {"pattern": NUMBERED}),
        ("If-None-Match", "The ETag of what is known already: 304", {}),
        ("Last-Event-ID", "Only what followed this event", {"pattern": "^[0-9]{1,18}$"}),
        (HEADER_LENGTH, "Bytes of the JSON header before raw tensors; 0 for one raw row", {"pattern": "^[0-9]{1,19}$"}),
        ("Content-Encoding", "How the body is compressed", {"enum": ["identity", "gzip", "deflate"]}),
    )
}


def parameters(operation: Operation, path: str) -> list[dict[str, Any]]:
    """Of the path, the query and the headers, in this order."""
    names = re.findall(r"{(\w+)}", path)
    parts = [{"name": name, "in": "path", "required": True, **PATH[name]} for name in names]
    return parts + list(map(_query, operation.query)) + [_reference(name) for name in headers(operation)]


def headers(operation: Operation) -> tuple[str, ...]:
    """The request's headers that mean something: its own, and those that come with its body."""
    binary = (HEADER_LENGTH,) if envelope(operation.body) else ()
    return (*operation.headers, *binary, *(("Content-Encoding",) if operation.body else ()))


def _query(query: Query) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if query.least is not None:
        schema = {"type": "integer", "minimum": query.least}
    if query.most is not None:
        schema["maximum"] = query.most
    if query.choices:
        schema["enum"] = list(query.choices)
    return {"name": query.name, "in": "query", "description": query.summary, "schema": schema}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/parameters/{name}"}
