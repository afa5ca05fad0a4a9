"""What happens to every request before and after its verb: who asks, how often, and how much memory is promised."""

from collections.abc import Mapping
from functools import partial

from flask import Response, request

from convserve_service import browsers
from convserve_service.auth import Gate
from convserve_service.noted import noted
from convserve_service.operations import Operation
from convserve_service.rates import Rates
from convserve_service.room import Room

DEGRADED = "Convserve-Degraded"


class Admission:
    """`begin` and `finish` are Flask's hooks, within those of the observer; what they share is noted.

    `local` is whether only this machine is to use a service that is open.
    """

    def __init__(
        self, operations: Mapping[str, Operation], gate: Gate, rates: Rates, room: Room, *, local: bool
    ) -> None:
        self._local = local
        self._operations = operations
        self._gate = gate
        self._rates = rates
        self._room = room

    def begin(self) -> None:
        """Before anything is read of the body, and before it is said whether there is such an address."""
        this, environ = noted(), request.environ
        operation = self._operations.get(this.verb)
        key = self._gate.admit(operation, environ.get("HTTP_AUTHORIZATION"))
        if key is not None:
            this.owner, this.release = key.id, self._rates.take(key)
        elif self._local and (operation is None or operation.scope is not None):
            browsers.check(environ)

    def finish(self, response: Response) -> Response:
        this = noted()
        if this.release is not None:
            if response.is_streamed:
                response.call_on_close(this.release)
            else:
                this.release()  # before it is sent: who has it may ask again
        if this.taken:
            response.call_on_close(partial(self._room.give, this.taken))
        if this.degraded is not None:
            response.headers.add(DEGRADED, str(this.degraded))
        response.headers.add("X-Content-Type-Options", "nosniff")
        return response
