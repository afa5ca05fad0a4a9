"""Every operation that the service declares, and whether a reply is what was declared."""

from typing import Any

import requests
from pydantic import TypeAdapter

from convserve_service import verbs
from convserve_service.operations import BINARY, Operation
from convserve_wire.envelope import HEADER_LENGTH
from convserve_wire.replies import Error

OPERATIONS = {value.name: value for value in vars(verbs).values() if isinstance(value, Operation)}


def conform(operation: Operation, response: requests.Response) -> None:
    """AssertionError unless status, media type and body are what the operation declares, or an error."""
    kind = response.headers.get("Content-Type", "").split(";")[0]
    assert response.headers["X-Request-Id"]
    if response.status_code not in operation.statuses:
        assert response.status_code >= 400, response.status_code
        assert kind == "application/json"
        TypeAdapter(Error).validate_json(response.content)
    elif response.status_code in (204, 302, 304):
        assert not response.content
    else:
        assert kind in operation.reply, (operation.name, kind)
        check(operation, kind, response)


def check(operation: Operation, kind: str, response: requests.Response) -> None:
    """The body is what is declared for its media type."""
    shape: Any = operation.reply[kind]
    if HEADER_LENGTH in response.headers:  # raw tensors behind what the JSON reply would be
        assert kind == "application/octet-stream"
        header = response.content[: int(response.headers[HEADER_LENGTH])]
        TypeAdapter(operation.reply["application/json"]).validate_json(header)
    elif kind == "text/event-stream":
        told = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
        for data in told:
            TypeAdapter(shape).validate_json(data)
        assert told
    elif shape == BINARY:
        assert response.content
    else:
        TypeAdapter(shape).validate_json(response.content)
