"""Jobs as those see them who ask for long trainings; the job process does the work (runner.py)."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from convserve_service.datasets import missing
from convserve_service.models import Models
from convserve_service.store.catalog import NUMBERS
from convserve_service.store.errors import JobNotFound, StoreBusy
from convserve_service.store.records import JobRow, Key, ModelRow, Reply
from convserve_service.store.store import Store, stamp
from convserve_service.store.transaction import Transaction
from convserve_service.turns import Turns
from convserve_wire.numbers import whole

OPTIONS = ("rows", "epochs", "batch_size", "shuffle_seed", "commit_every", "overrides")


class Plan(NamedTuple):
    """A training of `epochs` over the `rows` of a dataset; `overrides` of the model's training are for it alone."""

    dataset: str
    digest: str
    rows: int
    epochs: int
    batch_size: int
    shuffle_seed: int | None
    commit_every: int
    overrides: dict[str, Any]

    @property
    def steps(self) -> int:
        return self.epochs * -(-self.rows // self.batch_size)

    def images(self, done: int) -> int:
        """How many images the first `done` steps take; the last batch of an epoch may be smaller."""
        epochs, steps = divmod(done, -(-self.rows // self.batch_size))
        return epochs * self.rows + min(steps * self.batch_size, self.rows)

    @property
    def options(self) -> dict[str, Any]:
        """All but the dataset, for the catalog."""
        return {name: getattr(self, name) for name in OPTIONS}

    @classmethod
    def of(cls, dataset: str, digest: str, options: Mapping[str, Any]) -> "Plan":
        """As the catalog or a version's history tells it."""
        return cls(dataset, digest, **{name: options[name] for name in OPTIONS})


class Jobs:
    """The jobs of a store, of which `most` may wait."""

    def __init__(self, store: Store, models: Models, turns: Turns, *, most: int) -> None:
        self._store = store
        self._models = models
        self._turns = turns
        self._most = most

    def add(
        self, model: ModelRow, plan: Plan, *, key: Key | None, if_match: int | None, reply: Callable[[JobRow], Reply]
    ) -> Reply:
        """Queue a training of a model; it begins with whatever version is the newest then.

        The plan was made for this model and these rows: StoreBusy where one of them is another by now.
        """

        def apply(transaction: Transaction) -> Reply:
            dataset = transaction.dataset(plan.dataset)
            if dataset is None:
                raise missing(plan.dataset)
            if dataset.digest != plan.digest or transaction.specification(model.name) != model.spec:
                raise StoreBusy("the dataset or the model was replaced meanwhile; nothing was changed, repeat")
            if transaction.unfinished_jobs() >= self._most:
                raise StoreBusy(f"{self._most} jobs wait already; nothing was changed, repeat when one has ended")
            transaction.forget_events(stamp(self._store.clock() - timedelta(hours=self._store.reply_hours)))
            return reply(transaction.add_job(model.name, dataset, plan.options, plan.steps, self._store.now()))

        return self._models.alter(model.name, apply, key=key, if_match=if_match)

    def all(self, limit: int, before: int = NUMBERS) -> list[JobRow]:
        """Newest first."""
        return self._store.catalog.jobs(limit, before)

    def find(self, job: str) -> JobRow:
        """The job, or JobNotFound."""
        row = self._store.catalog.job(whole(job) or 0)
        if row is None:
            raise JobNotFound(f"there is no job '{job[:40]}'; GET /v2/jobs lists them")
        return row

    def events(self, job: JobRow, after: int) -> list[tuple[int, str]]:
        """(id, JSON) of what happened after an event, in order."""
        return self._store.catalog.events(job.id, after)

    def cancel(self, job: str, *, key: Key | None, reply: Callable[[JobRow], Reply]) -> Reply:
        """Let it end at its next step; what it has committed stays. A job that has ended stays as it is."""
        number = self.find(job).id
        with self._turns.slot(), self._store.catalog.transaction() as transaction:
            return self._store.record(transaction, key, reply(transaction.cancel_job(number, self._store.now())))
