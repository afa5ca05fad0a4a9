"""What a writer may do between BEGIN and COMMIT."""

import json
import sqlite3
from typing import Any, Literal

from convserve_service.store import schema
from convserve_service.store.errors import KeyInFlight
from convserve_service.store.records import (
    AVAILABLE,
    CANCELLED,
    COLLECTED,
    DAMAGED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    UNFINISHED,
    ApiKey,
    DatasetRow,
    JobRow,
    Key,
    ModelRow,
    Reply,
    VersionRow,
)
from convserve_service.store.schema import listed, marks

UNENDED = f"state IN {UNFINISHED}"
REPLY = "status, body, content_type, header_length, model_version"


class Transaction:
    """The statements of one transaction on an open connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    def head(self, model: str) -> int | None:
        """The newest version that has its state, None where there is none."""
        sql = f"SELECT max(version) FROM versions WHERE model = ? AND state = '{AVAILABLE}'"
        head: int | None = self._execute(sql, (model,)).fetchone()[0]
        return head

    def last_number(self, model: str) -> int:
        """The last number that a version of this name ever had; 0 for a new name."""
        row = self._execute("SELECT last FROM numbers WHERE model = ?", (model,)).fetchone()
        return 0 if row is None else int(row[0])

    def add_model(self, row: ModelRow) -> None:
        values = [getattr(row, name) for name in schema.MODEL]
        self._execute(f"INSERT INTO models VALUES ({marks(schema.MODEL)})", values)

    def delete_model(self, name: str, now: str) -> list[str]:
        """The names of its blobs, which nobody needs from now on; its jobs are cancelled."""
        sql = f"SELECT blob FROM versions WHERE model = ? AND state = '{AVAILABLE}'"
        blobs = [row[0] for row in self._execute(sql, (name,)).fetchall()]
        self._execute("DELETE FROM models WHERE name = ?", (name,))
        waiting = self._execute(f"SELECT id FROM jobs WHERE model = ? AND {UNENDED}", (name,))
        for (number,) in waiting.fetchall():
            self.end_job(number, CANCELLED, "the model was deleted", now)
        return blobs

    def has_model(self, name: str) -> bool:
        return self.specification(name) is not None

    def specification(self, name: str) -> str | None:
        """What the model was created from, None where there is no such model."""
        row = self._execute("SELECT spec FROM models WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def count(self, table: Literal["models", "datasets"]) -> int:
        return int(self._execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def unfinished_jobs(self) -> int:
        return int(self._execute(f"SELECT count(*) FROM jobs WHERE {UNENDED}").fetchone()[0])

    def set_loaded(self, name: str, loaded: bool) -> bool:
        """Whether the model is there."""
        return self._execute("UPDATE models SET loaded = ? WHERE name = ?", (loaded, name)).rowcount == 1

    def add_version(self, row: VersionRow) -> None:
        names = schema.VERSION_COLUMNS
        self._execute(f"INSERT INTO versions ({listed(names)}) VALUES ({marks(names)})", schema.version_values(row))
        self._execute("INSERT OR REPLACE INTO numbers VALUES (?, ?)", (row.model, row.version))

    def collect(self, model: str, up_to: int) -> list[str]:
        """Give up the states up to a version, aliased ones aside; the names of their blobs. The rows stay."""
        rows = self._execute(
            f"UPDATE versions SET state = '{COLLECTED}' WHERE model = ?1 AND state = '{AVAILABLE}' AND version <= ?2"
            " AND version NOT IN (SELECT version FROM aliases WHERE model = ?1) RETURNING blob",
            (model, up_to),
        )
        return [row[0] for row in rows.fetchall()]

    def mark_damaged(self, model: str, version: int) -> bool:
        """The state of a version is lost; when it was the newest, the model is degraded until that is acknowledged.

        False where it had no state any more.
        """
        if self.head(model) == version:
            sql = "UPDATE models SET degraded = max(coalesce(degraded, 0), ?) WHERE name = ?"
            self._execute(sql, (version, model))
        sql = f"UPDATE versions SET state = '{DAMAGED}' WHERE model = ? AND version = ? AND state = '{AVAILABLE}'"
        return self._execute(sql, (model, version)).rowcount == 1

    def acknowledge(self, model: str) -> bool:
        """An operator knows of the lost version; whether the model is there."""
        return self._execute("UPDATE models SET degraded = NULL WHERE name = ?", (model,)).rowcount == 1

    def set_alias(self, model: str, alias: str, version: int) -> None:
        self._execute("INSERT OR REPLACE INTO aliases VALUES (?, ?, ?)", (model, alias, version))

    def delete_alias(self, model: str, alias: str) -> bool:
        """Whether it was there."""
        return self._execute("DELETE FROM aliases WHERE model = ? AND alias = ?", (model, alias)).rowcount == 1

    def add_reply(self, key: Key, reply: Reply, created: str, expired: str) -> None:
        """Record a reply, and forget those made before `expired`; KeyInFlight where the key was applied meanwhile."""
        self._execute("DELETE FROM replies WHERE created < ?", (expired,))
        values = (
            key.owner, key.value, key.fingerprint, reply.status, reply.body, reply.content_type, reply.header_length,
            reply.model_version, created,
        )  # fmt: skip
        try:
            self._execute(
                f"INSERT INTO replies (owner, key, fingerprint, {REPLY}, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
        except sqlite3.IntegrityError as error:
            raise KeyInFlight("another request with this Idempotency-Key was applied meanwhile; repeat") from error

    def add_api_key(self, row: ApiKey) -> bool:
        """False where the name is taken."""
        values = schema.api_key_values(row)
        sql = f"INSERT INTO keys VALUES ({marks(schema.API_KEY)}) ON CONFLICT (name) DO NOTHING"
        return self._execute(sql, values).rowcount == 1

    def delete_api_key(self, name: str) -> bool:
        """Whether it was there."""
        return self._execute("DELETE FROM keys WHERE name = ?", (name,)).rowcount == 1

    def dataset(self, name: str) -> DatasetRow | None:
        row = self._execute(f"SELECT {listed(schema.DATASET)} FROM datasets WHERE name = ?", (name,)).fetchone()
        return None if row is None else DatasetRow(*row)

    def add_dataset(self, row: DatasetRow) -> None:
        values = [getattr(row, name) for name in schema.DATASET]
        self._execute(f"INSERT INTO datasets VALUES ({marks(schema.DATASET)})", values)

    def delete_dataset(self, name: str) -> None:
        self._execute("DELETE FROM datasets WHERE name = ?", (name,))

    def dataset_in_use(self, name: str) -> bool:
        sql = f"SELECT 1 FROM jobs WHERE dataset = ? AND {UNENDED}"
        return self._execute(sql, (name,)).fetchone() is not None

    def add_job(self, model: str, dataset: DatasetRow, options: dict[str, Any], steps: int, now: str) -> JobRow:
        """A job that waits for its turn. `options` has at least epochs and rows."""
        cursor = self._execute(
            "INSERT INTO jobs (model, dataset, digest, options, state, cancel, attempts, done, steps, created, updated)"
            f" VALUES (?, ?, ?, ?, '{QUEUED}', 0, 0, 0, ?, ?, ?)",
            (model, dataset.name, dataset.digest, json.dumps(options, sort_keys=True), steps, now, now),
        )
        return self.job(int(cursor.lastrowid or 0))

    def job(self, number: int) -> JobRow:
        return schema.job(self._execute(f"SELECT {listed(schema.JOB)} FROM jobs WHERE id = ?", (number,)).fetchone())

    def start_job(self, number: int, now: str) -> None:
        """One more attempt at a job that waits or was interrupted."""
        sql = f"UPDATE jobs SET state = '{RUNNING}', attempts = attempts + 1, updated = ? WHERE id = ? AND {UNENDED}"
        self._execute(sql, (now, number))

    def advance_job(self, number: int, *, done: int, losses: list[float], speed: float, version: int, now: str) -> bool:
        """Move the cursor of a running job, to its end or less; False where it has ended meanwhile."""
        sql = (
            "UPDATE jobs SET done = ?1, loss = ?2, speed = ?3, version = ?4, updated = ?5, attempts = 0,"
            f" state = iif(?1 = steps, '{SUCCEEDED}', state) WHERE id = ?6 AND state = '{RUNNING}'"
        )
        if not self._execute(sql, (done, losses[-1], speed, version, now, number)).rowcount:
            return False
        self.add_event(number, {"losses": losses})
        return True

    def cancel_job(self, number: int, now: str) -> JobRow:
        """A job that waits ends at once, one that runs at its next step."""
        self._execute(f"UPDATE jobs SET cancel = 1 WHERE id = ? AND {UNENDED}", (number,))
        if self.job(number).state == QUEUED:
            self.end_job(number, CANCELLED, None, now)
        return self.job(number)

    def end_job(self, number: int, state: str, error: str | None, now: str) -> None:
        """Nothing where it has ended before."""
        sql = f"UPDATE jobs SET state = ?, error = ?, updated = ? WHERE id = ? AND {UNENDED}"
        if self._execute(sql, (state, error, now, number)).rowcount:
            self.add_event(number, {})

    def add_event(self, number: int, more: dict[str, Any]) -> None:
        """What who watches a job is told: the job as it is now, and more."""
        data = json.dumps({**schema.shown_job(self.job(number)), **more})
        self._execute("INSERT INTO events (job, data) VALUES (?, ?)", (number, data))

    def forget_events(self, before: str) -> None:
        """Those of jobs that ended before a time."""
        first = self._execute("SELECT min(job) FROM events").fetchone()[0] or 0
        sql = f"DELETE FROM events WHERE job IN (SELECT id FROM jobs WHERE id >= ? AND updated < ? AND NOT {UNENDED})"
        self._execute(sql, (first, before))
