"""What happens to every request before and after its verb: who asks, how often, and how much memory is promised."""

import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from flask import Request, Response, g, request
from werkzeug.exceptions import HTTPException

from convserve_service import sizes
from convserve_service.auth import Gate
from convserve_service.body import json_length
from convserve_service.operations import Operation
from convserve_service.rates import Rates
from convserve_service.room import Room

REQUEST_ID = "X-Request-Id"
DEGRADED = "Convserve-Degraded"
LARGE = 1 << 18  # bytes of a body whose memory is counted
DISCARDED = 1 << 16  # bytes at once


class Admission:
    """`begin` and `finish` are Flask's hooks; what they share is in `g`: began, request_id, owner, release, taken."""

    def __init__(self, operations: Mapping[str, Operation], gate: Gate, rates: Rates, room: Room) -> None:
        self._operations = operations
        self._gate = gate
        self._rates = rates
        self._room = room

    def begin(self) -> None:
        """Before anything is read of the body, and before it is said whether there is such an address."""
        context, asked = g._get_current_object(), request._get_current_object()  # type: ignore[attr-defined]
        context.began, context.request_id = time.monotonic(), uuid.uuid4().hex
        context.owner, context.release, context.taken = "", None, 0
        environ = asked.environ
        key = self._gate.admit(self._operations.get(asked.endpoint or ""), environ.get("HTTP_AUTHORIZATION"))
        if key is not None:
            context.owner, context.release = key.id, self._rates.take(key)
        if len(environ.get("CONTENT_LENGTH", "")) > 5:
            self._expect(asked)

    def finish(self, response: Response) -> Response:
        context = g._get_current_object()
        if response.status_code >= 400:
            _discard()
        if context.release is not None:
            if response.is_streamed:
                response.call_on_close(context.release)
            else:
                context.release()  # before it is sent: who has it may ask again
        if context.taken:
            response.call_on_close(partial(self._room.give, context.taken))
        headers = response.headers
        if "degraded" in context:
            headers[DEGRADED] = str(context.degraded)
        headers[REQUEST_ID] = context.request_id
        headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _expect(self, asked: Request) -> None:
        """Memory for a large body."""
        length = asked.content_length or 0
        if length > LARGE:
            g.taken += self._room.take(sizes.body(length, json_length(asked, length)), "the body")


def _discard() -> None:
    """Read what is left of a body within the limit: who still sends it would not see why it was refused."""
    with suppress(HTTPException, OSError):
        while request.stream.read(DISCARDED):
            pass
