"""A training that the service does by itself."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import quote

import numpy as np

from convserve_client import decode
from convserve_client.errors import JobFailed
from convserve_client.following import follow
from convserve_client.patience import Patience
from convserve_client.progress import Progress, reporter
from convserve_client.results import JobStatus
from convserve_client.transport import Transport
from convserve_wire import paths
from convserve_wire.tensors import Array

PROGRESS = "progress"  # the kind of event that is told after each commit


class Job:
    """A job by number. Nothing is kept here but the number: it goes on whether anybody watches or not."""

    def __init__(self, transport: Transport, number: int | str, *, patience: Callable[[], Patience] = Patience) -> None:
        self._transport = transport
        self._patience = patience
        self.number = str(number)

    def __repr__(self) -> str:
        return f"Job({self.number} at {self._transport.url})"

    def status(self) -> JobStatus:
        return decode.job(self._transport.read("GET", self._path(paths.JOB)))

    def cancel(self, *, idempotency_key: str | None = None) -> JobStatus:
        """End it at its next step; what it committed stays. The state may still be `running`."""
        return decode.job(self._transport.write("POST", self._path(paths.CANCEL), key=idempotency_key))

    def events(self) -> Iterator[JobStatus]:
        """The status after each commit, from the first one until the job has finished; then its last status.

        It goes on through broken connections and restarts of the service, 60 s each.
        """
        patience = self._patience()
        status = None
        for event in follow(partial(self._transport.stream, "GET", self._path(paths.EVENTS)), patience):
            if event.kind == PROGRESS:
                status = decode.event(event.data)
                yield status
        if status is None or not status.finished:
            yield patience.through(self.status)

    def wait(self, progress: bool | Progress = False) -> JobStatus:
        """The last status, with the losses of all steps; JobFailed where it failed.

        `progress` shows the steps as a bar, or is called with steps done, steps in all, and the last loss.
        Ctrl-C ends the waiting, not the job.
        """
        try:
            return self._wait(progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"job {self.number} goes on by itself; client.job({self.number}).cancel() ends it"
            ) from None

    def _wait(self, progress: bool | Progress) -> JobStatus:
        told = [self._patience().through(self.status)]
        done = 0
        with reporter(progress, told[0].steps, "steps") as report:
            for status in self.events():
                told.append(status)
                if status.step > done and status.loss is not None:
                    done = status.step
                    report(done, status.steps, status.loss)
        if told[-1].state == "failed":
            raise JobFailed(told[-1])
        return replace(told[-1], losses=_losses(told))

    def _path(self, path: str) -> str:
        return paths.fill(path, job=quote(self.number, safe=""))


def _losses(told: Sequence[JobStatus]) -> Array:
    """One loss for each step, at its place however often it was told; NaN for a step that was never told."""
    losses = np.full(max(status.step for status in told), np.nan, np.float32)
    for status in told:
        losses[status.step - len(status.losses) : status.step] = status.losses
    return losses
