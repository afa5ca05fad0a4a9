"""The catalog: an SQLite database that alone says what exists, what is newest, and what an alias means.

SQLite before 3.51.3 may lose writes when several processes commit and checkpoint (the WAL-reset bug), so every
transaction and every checkpoint runs under one file lock, and automatic checkpoints are off. (SQLite tidies once more
when the last connection of all processes closes, alone by its own lock.)
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from convserve_service.store import schema
from convserve_service.store.errors import CommitUnknown, StoreUnavailable
from convserve_service.store.locks import locked
from convserve_service.store.records import AVAILABLE, ApiKey, DatasetRow, JobRow, ModelRow, Reply, VersionRow
from convserve_service.store.schema import listed
from convserve_service.store.transaction import REPLY, UNENDED, Transaction

CHECKPOINT_PAGES = 1000
PAGE_BYTES = 4096  # SQLite's default
NUMBERS = 1 << 62  # no version has a number as high
BUSY_SECONDS = 2.0  # how long a program that ignores our lock may hold SQLite's; its next victims wait less
NO_SECONDS = 0.05
HELD_SECONDS = 0.25  # a commit takes milliseconds
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
NOT_COMMITTED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}


class Catalog:
    """One database file. A connection for each thread; reads are autocommit, writes go through `transaction`.

    Beyond `most` bytes it is as full as a disk may be.
    """

    def __init__(self, path: Path, *, most: int | None = None) -> None:
        self._path = path
        self._most = most
        self._lock = path.with_suffix(".lock")
        self._local = threading.local()
        self._patience = BUSY_SECONDS
        with _translated():
            self._prepare()

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
        with _translated():
            known = self._known()
            found = known.get((model, version, below))
            if found is None:
                known[model, version, below] = found = self._read(model, version, below)
            return found

    def _known(self) -> dict[Any, Rows]:
        """What this thread has read since the last commit of anybody: SQLite tells those of other connections."""
        connection = self._connection()
        if connection.in_transaction:  # what it sees may never be
            return {}
        changes = connection.execute("PRAGMA data_version").fetchone()[0]
        known: tuple[int, dict[Any, Rows]] = getattr(self._local, "known", NEVER)
        if known[0] != changes or len(known[1]) >= MOST_KNOWN:
            self._local.known = known = changes, {}
        return known[1]

    def _read(self, model: str, version: int | str | None, below: int) -> Rows:
        second = below if version is None else version
        row = self._connection().execute(READ[type(version)], (model, second)).fetchone()
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
        with locked(self._lock, wait=wait):
            try:
                connection = self._begin(self._patience if wait else 0)
                try:
                    yield Transaction(connection)
                except BaseException:
                    _rollback(connection)
                    raise
                _commit(connection)
            except sqlite3.Error as error:
                self._close()  # a connection that was opened while the disk refused would go on refusing
                raise _unavailable(error) from error
            finally:
                self._local.known = NEVER
            with suppress(sqlite3.Error, OSError):  # the commit stands, whatever becomes of its tidying
                self._checkpoint(connection)

    def refusal(self) -> str | None:
        """Why writers are kept out, None where they are not; StoreUnavailable where not even reading is possible."""
        before = self._changes()
        end = time.monotonic() + HELD_SECONDS
        while True:
            try:
                with locked(self._lock, wait=False):
                    return self._tried()
            except BlockingIOError:
                if time.monotonic() > end:
                    break
                time.sleep(HELD_SECONDS / 50)
        return None if self._changes() != before else "writers wait for one that holds the catalog"

    def _changes(self) -> int:
        """A number that changes when somebody else commits."""
        return int(self._one("PRAGMA data_version")[0])

    def _tried(self) -> str | None:
        try:
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        except sqlite3.Error as error:
            return f"the catalog cannot be opened: {error}"
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            held = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
            return "another program holds the catalog locked" if held else f"the catalog cannot be written: {error}"
        finally:
            connection.close()
        return None

    def _begin(self, patience: float) -> sqlite3.Connection:
        connection = self._connection()
        connection.execute(f"PRAGMA busy_timeout = {int(1000 * patience)}")
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            self._patience = NO_SECONDS if error.sqlite_errorcode == sqlite3.SQLITE_BUSY else BUSY_SECONDS
            raise
        self._patience = BUSY_SECONDS
        return connection

    def _prepare(self) -> None:
        """Make the tables that are missing, as in a catalog of an older release.

        One that has them is only read, for the disk may refuse writes.
        """
        if self._format() < schema.VERSION:
            with locked(self._lock):
                if (found := self._format()) == 0:
                    self._connection().execute("PRAGMA journal_mode = WAL")
                steps = "".join(schema.STEPS[found:])
                self._connection().executescript(
                    f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {max(found, schema.VERSION)}; COMMIT;"
                )
        if (found := self._format()) != schema.VERSION:
            raise StoreUnavailable(
                f"the catalog has format {found}, but this release reads {schema.VERSION};"
                " use the release that made it, or another data directory"
            )

    def _format(self) -> int:
        return int(self._connection().execute("PRAGMA user_version").fetchone()[0])

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=BUSY_SECONDS)
            for pragma in ("synchronous = FULL", "wal_autocheckpoint = 0", "foreign_keys = ON", "mmap_size = 0"):
                connection.execute(f"PRAGMA {pragma}")
            if self._most is not None:
                connection.execute(f"PRAGMA max_page_count = {self._most // PAGE_BYTES}")
            self._local.connection = connection
        return connection

    def _close(self) -> None:
        connection, self._local.connection = getattr(self._local, "connection", None), None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        wal = self._path.with_name(self._path.name + "-wal")
        if wal.stat().st_size > CHECKPOINT_PAGES * PAGE_BYTES:
            connection.execute("PRAGMA busy_timeout = 0")  # who reads for long must not hold up writers
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _one(self, sql: str, *values: Any) -> Any:
        rows = self._all(sql, *values)
        return rows[0] if rows else None

    def _all(self, sql: str, *values: Any) -> list[Any]:
        with _translated():
            return self._connection().execute(sql, values).fetchall()


def _commit(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        _rollback(connection)
        if error.sqlite_errorcode in NOT_COMMITTED:
            raise
        raise CommitUnknown(str(_unavailable(error))) from error


def _rollback(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # some errors have rolled it back themselves
        connection.execute("ROLLBACK")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _unavailable(error) from error


def _unavailable(error: sqlite3.Error) -> StoreUnavailable:
    return StoreUnavailable(f"the catalog cannot be used ({error}); nothing was acknowledged, mend the disk and repeat")
