"""What is noted of each request: its id, how it ended, how long it took; once, when the reply is made."""

import re
import secrets
import time
from collections.abc import Mapping

from flask import Response, request

from convserve_service import waiting
from convserve_service.counting import rows
from convserve_service.counting.tallies import Tallies
from convserve_service.logs import log
from convserve_service.noted import Noted, note, noted
from convserve_service.operations import Operation

REQUEST_ID = "X-Request-Id"
SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
UNMATCHED = "unmatched"  # the verb of a request that no route takes
INFERENCES = {"infer", "predict", "v1_predict"}


class Observer:
    """Counts requests; with `access`, writes a line for each. `operations` are all that there are, by verb."""

    def __init__(self, tallies: Tallies, operations: Mapping[str, Operation], *, access: bool) -> None:
        self._tallies = tallies
        self._operations = operations
        self._access = access

    def begin(self) -> None:
        """A request is here."""
        given = request.headers.get(REQUEST_ID)
        this = Noted(
            verb=request.endpoint or UNMATCHED,
            request_id=given if given and SAFE_ID.fullmatch(given) else secrets.token_hex(16),
            started=time.monotonic_ns(),
            waited=waiting.nanoseconds(),
        )
        note(this)
        rows.told(self._tallies, rows.IN_FLIGHT, 1)

    def finish(self, response: Response) -> Response:
        """Its reply is made; a stream goes on, and is in flight until it ends."""
        now, this, status = time.monotonic_ns(), noted(), response.status_code
        add = self._tallies.add
        add((rows.REQUESTS, this.verb, str(status)), {rows.COUNT: 1})
        add((rows.SECONDS, this.verb), rows.observed(now - this.started, rows.NANOSECONDS_UP_TO))
        if this.waited:
            add((rows.WAITED,), {rows.COUNT: 1, rows.SUM: this.waited})
        if this.model is not None:
            if this.images and status < 400:
                add((rows.BATCH, this.verb), rows.observed(this.batch, rows.IMAGES_UP_TO))
                add((rows.MODEL, this.model, this.verb), {rows.COUNT: 1, rows.IMAGES: this.images})
            if this.verb in INFERENCES:
                self._inferred(this, this.model, now, failed=status >= 400)
        response.headers[REQUEST_ID] = this.request_id
        response.call_on_close(self._end)
        if self._access:
            self._write(this, status, now)
        return response

    def _end(self) -> None:
        rows.told(self._tallies, rows.IN_FLIGHT, -1)

    def _inferred(self, this: Noted, model: str, now: int, *, failed: bool) -> None:
        """The statistics of a version: success from the arrival to the reply, and the parts of that."""
        version, total = str(this.version), this.waited + now - this.started
        if failed:
            self._tallies.add((rows.VERSION, model, version), {rows.FAILED: 1, rows.FAILED_TOTAL: total})
            return
        parts = {
            rows.COUNT: 1,
            rows.INPUT: this.begun - this.started,
            rows.INFER: this.done - this.begun,
            rows.OUTPUT: now - this.done,
        }
        whole = {**parts, rows.IMAGES: this.images, rows.TOTAL: total, rows.QUEUE: this.waited}
        self._tallies.add((rows.VERSION, model, version), whole, latest=time.time_ns() // 1_000_000)
        if rows.told_apart(this.batch):
            self._tallies.add((rows.SIZE, model, version, str(this.batch)), parts)

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
