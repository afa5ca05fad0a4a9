"""The work of jobs: a segment of steps, a commit that carries the cursor, and the next segment."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from convserve_model import Engine, ModelError, Preprocess, batches
from convserve_service.datasets import Datasets
from convserve_service.jobs import Plan
from convserve_service.live import Live
from convserve_service.logs import log
from convserve_service.models import Change, Models
from convserve_service.store.errors import JobNotFound, StoreBusy, StoreError, StoreUnavailable
from convserve_service.store.records import CANCELLED, FAILED, JobRow, Reply, VersionRow
from convserve_service.store.store import Store
from convserve_service.store.transaction import Transaction

SEGMENT_SECONDS = 1.0
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 1.0  # while the disk refuses
MOST_ATTEMPTS = 20  # without a commit between them: something kills whoever tries


class Runner:
    """One job at a time, first come first served. `stopping` is asked before each step.

    `trained` is told after each commit how many images went through which model.
    """

    def __init__(
        self, store: Store, models: Models, datasets: Datasets, engine: Engine, stopping: Callable[[], bool],
        trained: Callable[[str, int], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._models = models
        self._datasets = datasets
        self._engine = engine
        self._stopping = stopping
        self._trained = trained

    def run(self, wait: Callable[[float], None] = time.sleep) -> None:
        """Until `stopping`; a job that is stopped so goes on where it was when somebody runs again."""
        while not self._stopping():
            try:
                job = self._store.catalog.next_job()
                if job is None:
                    wait(POLL_SECONDS)
                else:
                    self._train(job, wait)
            except (StoreUnavailable, StoreBusy) as error:
                log.warning("jobs wait", error=str(error))
                wait(PATIENCE_SECONDS)

    def _train(self, job: JobRow, wait: Callable[[float], None]) -> None:
        if job.attempts >= MOST_ATTEMPTS:
            self._end(job, FAILED, f"the job's process died {job.attempts} times at step {job.done}; is memory short?")
            return
        try:
            data = self._datasets.arrays(self._datasets.find(job.dataset))
            plan = Plan.of(job.dataset, job.digest, job.options)
            with self._store.catalog.transaction() as transaction:
                transaction.start_job(job.id, self._store.now())
            while not (self._stopping() or job.finished or job.cancel):
                try:
                    self._models.write(job.model, lambda live, job=job: self._segment(live, job, *data))  # type: ignore[misc]
                except (StoreUnavailable, StoreBusy) as error:
                    log.warning("a job waits", job=job.id, error=str(error))
                    wait(PATIENCE_SECONDS)
                before = job.done
                job = self._store.catalog.job(job.id) or job
                if job.done > before:
                    self._trained(job.model, plan.images(job.done) - plan.images(before))
            if job.cancel:
                self._end(job, CANCELLED, None)
        except (StoreUnavailable, StoreBusy):
            raise
        except (ModelError, StoreError) as error:
            self._end(job, FAILED, str(error))
        except Exception as error:
            log.error("a job failed", job=job.id, exc_info=error)
            self._end(job, FAILED, f"the server failed; tell its operator the job's number {job.id}")

    def _segment(self, live: Live, job: JobRow, x: Any, y: Any) -> Change:
        """Steps from the cursor until it is time to commit."""
        plan, spec = Plan.of(job.dataset, job.digest, job.options), live.specification
        started, images = time.monotonic(), 0
        losses: list[float] = []
        snapshot = live.snapshot
        pieces = rows(plan, spec.preprocess, x, y, done=job.done)
        training = spec.training.override(plan.overrides)
        for stepped, loss in self._engine.steps(spec.network, training, snapshot, pieces, seed=spec.seed):
            snapshot = stepped
            losses.append(loss)
            images += min(plan.batch_size, plan.rows)
            late = time.monotonic() - started >= SEGMENT_SECONDS
            if late or len(losses) >= plan.commit_every or self._stopping() or self._store.catalog.job_stopped(job.id):
                break
        speed = images / (time.monotonic() - started)

        def advance(transaction: Transaction, version: int) -> None:
            done, now = job.done + len(losses), self._store.now()
            if not transaction.advance_job(job.id, done=done, losses=losses, speed=speed, version=version, now=now):
                raise JobNotFound(f"job {job.id} has ended meanwhile")

        return Change(snapshot, "fit", _unsent, described(job, plan, len(losses)), losses[-1], advance)

    def _end(self, job: JobRow, state: str, error: str | None) -> None:
        with self._store.catalog.transaction() as transaction:
            transaction.end_job(job.id, state, error, self._store.now())


def rows(plan: Plan, preprocess: Preprocess, x: Any, y: Any, *, done: int) -> Iterator[tuple[Any, Any]]:
    """The (x, y) of each step after the first `done`."""
    for at in batches(plan.rows, plan.batch_size, plan.epochs, plan.shuffle_seed, done=done):
        yield preprocess.normalize(x[at]), y[at]


def described(job: JobRow, plan: Plan, steps: int) -> dict[str, Any]:
    """What a version of a job tells in its history: enough to make it again."""
    told = {"job": str(job.id), "dataset": job.dataset, "digest": job.digest, "done": job.done, "steps": steps}
    return {**plan.options, **told}


def _unsent(row: VersionRow) -> Reply:
    """Nobody waits for the reply of a job."""
    return Reply(200, b"")
