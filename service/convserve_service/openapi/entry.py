"""One operation as the document has it."""

from typing import Any

from convserve_service.openapi.content import content
from convserve_service.openapi.examples import EXAMPLES
from convserve_service.openapi.parameters import parameters
from convserve_service.openapi.responses import responses
from convserve_service.openapi.schemas import Schemas
from convserve_service.openapi.tags import ONE_VERSION, tag
from convserve_service.operations import Operation
from convserve_wire.paths import versioned

SECURITY = "key"


def describe(operation: Operation, schemas: Schemas, *, one_version: bool = False) -> dict[str, Any]:
    """The Operation Object; `one_version` is that of the longer path. A key is needed where the service has any."""
    described: dict[str, Any] = {
        "operationId": operation.name + ("_version" if one_version else ""),
        "tags": [ONE_VERSION.name if one_version else tag(operation).name],
        "summary": operation.summary,
        "parameters": parameters(operation, versioned(operation.path) if one_version else operation.path),
    }
    if operation.body:
        media = content(operation.body, schemas, "validation", EXAMPLES.get(operation.name))
        described["requestBody"] = {"required": not operation.bare, "content": media}
    described["responses"] = responses(operation, schemas)
    if (scope := operation.scope) is not None:
        described["description"] = f"Where the service has API keys, one with the scope `{scope}` is needed."
        described["security"] = [{SECURITY: [scope.value]}, {}]
    return described
