"""What is noted of each request: its id, how it ended, how long it took; once, when the reply is made."""

import re
import secrets
import time
from collections.abc import Mapping
from functools import partial

from flask import Response, request

from convserve_service import waiting
from convserve_service.counting import rows
from convserve_service.counting.tallies import LATEST, Change, Tallies
from convserve_service.logs import log
from convserve_service.noted import Noted, note, noted
from convserve_service.operations import Operation

REQUEST_ID, GIVEN_ID = "X-Request-Id", "HTTP_X_REQUEST_ID"  # as replies and WSGI name it
SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
UNMATCHED = "unmatched"  # the verb of a request that no route takes
INFERENCES = {"infer", "predict", "v1_predict"}
ONE = {rows.COUNT: 1}
BEGUN: Change = rows.IN_FLIGHT, ONE
ENDED: Change = rows.IN_FLIGHT, {rows.COUNT: -1}


class Observer:
    """Counts requests; with `access`, writes a line for each. `operations` are all that there are, by verb."""

    def __init__(self, tallies: Tallies, operations: Mapping[str, Operation], *, access: bool) -> None:
        self._tallies = tallies
        self._operations = operations
        self._access = access

    def begin(self) -> None:
        """A request is here."""
        given = request.environ.get(GIVEN_ID)
        this = Noted(
            verb=request.endpoint or UNMATCHED,
            request_id=given if given and SAFE_ID.fullmatch(given) else secrets.token_hex(16),
            started=time.monotonic_ns(),
            waited=waiting.nanoseconds(),
        )
        note(this)
        self._tallies.add(BEGUN)

    def finish(self, response: Response) -> Response:
        """Its reply is made; a stream goes on, and is in flight until it ends."""
        now, this, status = time.monotonic_ns(), noted(), response.status_code
        changes: list[Change] = [
            ((rows.REQUESTS, this.verb, str(status)), ONE),
            ((rows.SECONDS, this.verb), rows.observed(now - this.started, rows.NANOSECONDS_UP_TO)),
        ]
        if this.waited:
            changes.append(((rows.WAITED,), {rows.COUNT: 1, rows.SUM: this.waited}))
        if this.model is not None:
            if this.images and status < 400:
                changes.append(((rows.BATCH, this.verb), rows.observed(this.batch, rows.IMAGES_UP_TO)))
                changes.append(((rows.MODEL, this.model, this.verb), {rows.COUNT: 1, rows.IMAGES: this.images}))
            if this.verb in INFERENCES:
                changes += _inferred(this, this.model, now, failed=status >= 400)
        if response.is_streamed:
            response.call_on_close(partial(self._tallies.add, ENDED))
        else:
            changes.append(ENDED)
        self._tallies.add(*changes)
        response.headers.add(REQUEST_ID, this.request_id)
        if self._access:
            self._write(this, status, now)
        return response

    def _write(self, this: Noted, status: int, now: int) -> None:
        """A line of the access log: never what was sent, not even the path as it was sent."""
        log.info(
            "request",
            request_id=this.request_id,
            method=request.method,
            path=self._operations[this.verb].path if this.verb in self._operations else None,
            verb=this.verb,
            status=status,
            ms=round((now - this.started) / 1e6, 3),
            model=this.model,
        )


def _inferred(this: Noted, model: str, now: int, *, failed: bool) -> list[Change]:
    """The statistics of a version: success from the arrival to the reply, and the parts of that."""
    version, total = str(this.version), this.waited + now - this.started
    if failed:
        return [((rows.VERSION, model, version), {rows.FAILED: 1, rows.FAILED_TOTAL: total})]
    parts = {
        rows.COUNT: 1,
        rows.INPUT: this.begun - this.started,
        rows.INFER: this.done - this.begun,
        rows.OUTPUT: now - this.done,
    }
    whole = {**parts, rows.IMAGES: this.images, rows.TOTAL: total, rows.QUEUE: this.waited}
    found: list[Change] = [((rows.VERSION, model, version), {**whole, LATEST: time.time_ns() // 1_000_000})]
    if rows.told_apart(this.batch):
        found.append(((rows.SIZE, model, version, str(this.batch)), parts))
    return found
