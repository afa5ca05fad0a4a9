"""The catalog: an SQLite database that alone says what exists, what is newest, and what an alias means."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convserve_service.store import schema
from convserve_service.store.database import Database
from convserve_service.store.records import AVAILABLE, ApiKey, DatasetRow, JobRow, ModelRow, Reply, VersionRow
from convserve_service.store.schema import listed
from convserve_service.store.transaction import REPLY, UNENDED, Transaction

NUMBERS = 1 << 62  # no version has a number as high
Rows = tuple[ModelRow | None, VersionRow | None]
MOST_KNOWN = 256
NEVER: tuple[int, dict[Any, Rows]] = (-1, {})
NEWEST = f"SELECT max(version) FROM versions WHERE model = m.name AND state = '{AVAILABLE}'"
WHICH: dict[type, str] = {  # the version that ?2 names, or the newest below it
    type(None): f"({NEWEST} AND version < ?2)",
    int: "?2",
    str: "(SELECT version FROM aliases WHERE model = m.name AND alias = ?2)",
}
READ = {
    kind: f"SELECT {listed(schema.MODEL, 'm.')}, {listed(schema.VERSION_COLUMNS, 'v.')} FROM models m"
    f" LEFT JOIN versions v ON v.model = m.name AND v.version = {which} WHERE m.name = ?1"
    for kind, which in WHICH.items()
}


class Catalog:
    """What may be asked of the database, and `transaction` for what may be changed in it."""

    def __init__(self, path: Path, *, most: int | None = None) -> None:
        self._database = Database(path, most=most)
        self._one, self._all = self._database.one, self._database.all
        self.refusal = self._database.refusal
        self._local = threading.local()

    def model(self, name: str) -> ModelRow | None:
        row = self._one(f"SELECT {listed(schema.MODEL)} FROM models WHERE name = ?", name)
        return None if row is None else schema.model(row)

    def models(self) -> list[ModelRow]:
        return [schema.model(row) for row in self._all(f"SELECT {listed(schema.MODEL)} FROM models ORDER BY name")]

    def heads(self) -> list[tuple[ModelRow, int | None]]:
        """Every model with its newest version that has its state."""
        rows = self._all(f"SELECT {listed(schema.MODEL)}, ({NEWEST}) FROM models m ORDER BY name")
        return [(schema.model(row[:-1]), row[-1]) for row in rows]

    def numbers(self, model: str, most: int) -> list[int]:
        """The versions up to a number that have their states, in order."""
        sql = (
            f"SELECT version FROM versions WHERE model = ? AND state = '{AVAILABLE}' AND version <= ? ORDER BY version"
        )
        return [row[0] for row in self._all(sql, model, most)]

    def read(self, model: str, version: int | str | None, *, below: int = NUMBERS) -> Rows:
        """A model and a version of it at one moment: of a number or an alias, or the newest that has its state.

        That is looked for `below` a number.
        """
        known = self._known()
        found = known.get((model, version, below))
        if found is None:
            known[model, version, below] = found = self._read(model, version, below)
        return found

    def _known(self) -> dict[Any, Rows]:
        """What this thread has read since the last commit of anybody: SQLite tells those of other connections."""
        changes = self._database.changes()
        if changes is None:  # what it sees may never be
            return {}
        known: tuple[int, dict[Any, Rows]] = getattr(self._local, "known", NEVER)
        if known[0] != changes or len(known[1]) >= MOST_KNOWN:
            self._local.known = known = changes, {}
        return known[1]

    def _read(self, model: str, version: int | str | None, below: int) -> Rows:
        row = self._one(READ[type(version)], model, below if version is None else version)
        if row is None:
            return None, None
        split = len(schema.MODEL)
        return schema.model(row[:split]), None if row[split] is None else schema.version(row[split:])

    def versions(self, model: str, limit: int = NUMBERS, before: int | None = None) -> list[VersionRow]:
        """Newest first, with their aliases."""
        rows = self._all(
            f"SELECT {listed(schema.VERSION_COLUMNS)} FROM versions WHERE model = ? AND version < ?"
            " ORDER BY version DESC LIMIT ?",
            model,
            before if before is not None else NUMBERS,
            limit,
        )
        named: dict[int, list[str]] = {}
        for alias, version in self._all("SELECT alias, version FROM aliases WHERE model = ? ORDER BY alias", model):
            named.setdefault(version, []).append(alias)
        return [schema.version(row, tuple(named.get(row[1], ()))) for row in rows]

    def names(self) -> set[str]:
        """Every model."""
        return {row[0] for row in self._all("SELECT name FROM models")}

    def available(self) -> set[tuple[str, int]]:
        """Every (model, version) that has its state."""
        return set(self._all(f"SELECT model, version FROM versions WHERE state = '{AVAILABLE}'"))

    def newest(self) -> list[tuple[str, int, str, float | None]]:
        """(model, version, created, loss) of every model's newest version that has its state, by name."""
        return self._all(
            "SELECT v.model, v.version, v.created, v.loss FROM models m JOIN versions v"
            f" ON v.model = m.name AND v.version = ({NEWEST}) ORDER BY m.name"
        )

    def job_states(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        return dict(self._all("SELECT state, count(*) FROM jobs GROUP BY state"))

    def blobs(self, limit: int = NUMBERS) -> set[str]:
        """Every blob that a version or a dataset still needs, or some of them."""
        sql = f"SELECT blob FROM versions WHERE state = '{AVAILABLE}' UNION ALL SELECT blob FROM datasets LIMIT ?"
        return {row[0] for row in self._all(sql, limit)}

    def reply(self, owner: str, key: str) -> tuple[bytes, Reply] | None:
        """(fingerprint, reply) of an applied request."""
        row = self._one(f"SELECT fingerprint, {REPLY} FROM replies WHERE owner = ? AND key = ?", owner, key)
        return None if row is None else (row[0], Reply(*row[1:]))

    def dataset(self, name: str) -> DatasetRow | None:
        row = self._one(f"SELECT {listed(schema.DATASET)} FROM datasets WHERE name = ?", name)
        return None if row is None else DatasetRow(*row)

    def datasets(self) -> list[DatasetRow]:
        return [DatasetRow(*row) for row in self._all(f"SELECT {listed(schema.DATASET)} FROM datasets ORDER BY name")]

    def job(self, number: int) -> JobRow | None:
        row = self._one(f"SELECT {listed(schema.JOB)} FROM jobs WHERE id = ?", number)
        return None if row is None else schema.job(row)

    def jobs(self, limit: int, before: int = NUMBERS) -> list[JobRow]:
        """Newest first."""
        sql = f"SELECT {listed(schema.JOB)} FROM jobs WHERE id < ? ORDER BY id DESC LIMIT ?"
        return [schema.job(row) for row in self._all(sql, before, limit)]

    def next_job(self) -> JobRow | None:
        """The one that was interrupted, else the oldest that waits."""
        row = self._one(f"SELECT {listed(schema.JOB)} FROM jobs WHERE {UNENDED} ORDER BY state DESC, id LIMIT 1")
        return None if row is None else schema.job(row)

    def job_stopped(self, number: int) -> bool:
        """Whether a job is to stop, or has ended."""
        return bool(self._one(f"SELECT cancel OR NOT {UNENDED} FROM jobs WHERE id = ?", number)[0])

    def events(self, job: int, after: int) -> list[tuple[int, str]]:
        """(id, JSON) of a job's events after an id, in order."""
        return self._all("SELECT id, data FROM events WHERE job = ? AND id > ? ORDER BY id LIMIT 1000", job, after)

    def api_keys(self) -> list[ApiKey]:
        """Every API key that was not revoked, by name."""
        rows = self._all(f"SELECT {listed(schema.API_KEY)} FROM keys ORDER BY name")
        return [schema.api_key(row) for row in rows]

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file itself."""
        found = [str(row[0]) for row in self._all("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    @contextmanager
    def transaction(self, *, wait: bool = True) -> Iterator[Transaction]:
        """All of it or nothing, durable when the block ends; one at a time on this host.

        StoreUnavailable where the disk refuses; CommitUnknown where it refused so late that a crash may decide.
        Without `wait`, BlockingIOError or StoreUnavailable where another one writes.
        """
        try:
            with self._database.writing(wait=wait) as connection:
                yield Transaction(connection)
        finally:
            self._local.known = NEVER
