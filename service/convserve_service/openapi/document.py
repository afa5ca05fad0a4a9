"""The whole document. Source: OpenAPI 3.1.1."""

from collections.abc import Collection
from typing import Any

from convserve_service.openapi import parameters, responses
from convserve_service.openapi.entry import SECURITY, describe
from convserve_service.openapi.schemas import Schemas
from convserve_service.openapi.tags import ONE_VERSION, TAGS, order
from convserve_service.operations import Operation, Scope
from convserve_service.release import VERSION
from convserve_wire.paths import versioned

ABOUT = """Serves and trains convolutional neural networks on CPUs, in the [Open Inference Protocol
V2](https://github.com/kserve/open-inference-protocol) and in verbs made of the same envelope.

Tensors are JSON, or raw bytes behind a JSON header (the binary tensor extension). A write is one transaction and is
durable when it is acknowledged; with an `Idempotency-Key` it is applied once, with `If-Match` to one version only.
Bodies may be `gzip` or `deflate`. Every error is `{"error", "code", "where"}`; every reply has an `X-Request-Id`.

To try it: **create** the model `tiny` below, then train it, ask it, differentiate it; every example is about it."""
SCOPES = {
    Scope.INFER: "predictions, and what is known of models",
    Scope.GRADIENTS: "gradients and weights",
    Scope.TRAIN: "everything that trains, datasets and jobs",
    Scope.ADMIN: "all of this, and models made, named and deleted",
}


def document(operations: Collection[Operation]) -> dict[str, Any]:
    """The document of these operations, in the order of their tags; each with `versions` has two paths."""
    ordered = sorted(operations, key=order)
    schemas = Schemas(ordered)
    paths: dict[str, dict[str, Any]] = {}
    for operation in ordered:
        paths.setdefault(operation.path, {})[operation.method.lower()] = describe(operation, schemas)
    for operation in ordered:
        if operation.versions:
            path = versioned(operation.path)
            paths.setdefault(path, {})[operation.method.lower()] = describe(operation, schemas, one_version=True)
    return {
        "openapi": "3.1.1",
        "info": {"title": "convserve", "version": VERSION, "description": ABOUT, "license": {"name": "MIT"}},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag.name, "description": tag.description} for tag in (*TAGS, ONE_VERSION)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "parameters": parameters.HEADERS,
            "headers": responses.HEADERS,
            "responses": responses.FAULTS,
            "securitySchemes": {SECURITY: {"type": "http", "scheme": "bearer", "description": _scopes()}},
        },
    }


def _scopes() -> str:
    listed = "\n".join(f"- `{scope}`: {good_for}" for scope, good_for in SCOPES.items())
    return f"An API key, where the service has any. What it may be good for:\n\n{listed}"
