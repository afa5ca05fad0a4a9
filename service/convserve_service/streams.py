"""Server-Sent Events: each request sends what happened since the last event, waits a while for more, and closes.

Source: HTML Living Standard, server-sent events. EventSource reconnects by itself, with the id of the last one.
"""

import threading
import time
from collections.abc import Callable, Iterator

from flask import Response

from convserve_service.jobs import Jobs
from convserve_service.store.errors import StoreBusy
from convserve_service.store.records import JobRow

RETRY = "retry: 500\n\n"
WAIT_SECONDS = 10.0
POLL_SECONDS = 0.1


class Streams:
    """What happens to jobs, as it happens; at most `most` threads of this process stream."""

    def __init__(self, jobs: Jobs, most: int, draining: Callable[[], bool]) -> None:
        self._jobs = jobs
        self._slots = threading.BoundedSemaphore(most)
        self._draining = draining

    def events(self, job: JobRow, after: int) -> Response:
        """What happened to a job after an event; 204 where it has ended and all is told."""
        if job.finished and not self._jobs.events(job, after):
            return Response(status=204)
        if not self._slots.acquire(blocking=False):
            raise StoreBusy(f"too many clients watch jobs already; repeat in a second, or ask GET /v2/jobs/{job.id}")
        response = Response(self._written(job, after), content_type="text/event-stream")
        response.headers["Cache-Control"] = "no-store"
        response.call_on_close(self._slots.release)
        return response

    def _written(self, job: JobRow, after: int) -> Iterator[str]:
        yield RETRY
        end = time.monotonic() + WAIT_SECONDS
        while True:
            last = self._jobs.find(str(job.id)).finished or time.monotonic() > end or self._draining()
            for number, data in self._jobs.events(job, after):
                after = number
                yield f"id: {number}\nevent: progress\ndata: {data}\n\n"
            if last:
                return
            time.sleep(POLL_SECONDS)
