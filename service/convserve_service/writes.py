"""What every writing verb does first: read the body, and answer a repeated Idempotency-Key from the record."""

from collections.abc import Callable
from typing import Any

from flask import Response, request

from convserve_service import body as bodies
from convserve_service import replies
from convserve_service.body import Body
from convserve_service.noted import noted
from convserve_service.service import Service
from convserve_service.store.records import Key, Reply

Writer = Callable[..., Reply]


def writing(service: Service, view: Writer) -> Callable[..., Response]:
    """A view of Flask from `view(body, key, **parts)`; a stored reply is sent before anything else is checked."""

    def endpoint(**parts: Any) -> Response:
        body: Body = service.body(request)
        key: Key | None = bodies.idempotency_key(request, body, noted().owner)
        stored = None if key is None else service.store.replay(key)
        return replies.send(request, stored or view(body, key, **parts))

    return endpoint
