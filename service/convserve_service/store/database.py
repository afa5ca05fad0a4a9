"""An SQLite file that several processes read and write: connections, commits, and what keeps writers out.

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

CHECKPOINT_PAGES = 1000
PAGE_BYTES = 4096  # SQLite's default
BUSY_SECONDS = 2.0  # how long a program that ignores our lock may hold SQLite's; its next victims wait less
NO_SECONDS = 0.05
HELD_SECONDS = 0.25  # a commit takes milliseconds
NOT_COMMITTED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}


class Database:
    """The tables of `schema`. A connection for each thread; reads are autocommit, writes go through `writing`.

    Beyond `most` bytes it is as full as a disk may be. Whatever SQLite says is StoreUnavailable.
    """

    def __init__(self, path: Path, *, most: int | None) -> None:
        self._path = path
        self._most = most
        self._lock = path.with_suffix(".lock")
        self._local = threading.local()
        self._patience = BUSY_SECONDS
        with translated:
            self._prepare()

    def one(self, sql: str, *values: Any) -> Any:
        """The first row, None where there is none."""
        rows = self.all(sql, *values)
        return rows[0] if rows else None

    def all(self, sql: str, *values: Any) -> list[Any]:
        """Every row."""
        with translated:
            return self._connection().execute(sql, values).fetchall()

    def changes(self) -> int | None:
        """A number that is another one once somebody else has committed; None within a transaction of this thread."""
        with translated:
            connection = self._connection()
            return None if connection.in_transaction else int(connection.execute("PRAGMA data_version").fetchone()[0])

    @contextmanager
    def writing(self, *, wait: bool) -> Iterator[sqlite3.Connection]:
        """A transaction: committed when the block ends, under the lock of all processes of this host."""
        with locked(self._lock, wait=wait):
            try:
                connection = self._begin(self._patience if wait else 0)
                try:
                    yield connection
                except BaseException:
                    _rollback(connection)
                    raise
                _commit(connection)
            except sqlite3.Error as error:
                self._close()  # a connection that was opened while the disk refused would go on refusing
                raise _unavailable(error) from error
            with suppress(sqlite3.Error, OSError):  # the commit stands, whatever becomes of its tidying
                self._checkpoint(connection)

    def refusal(self) -> str | None:
        """Why writers are kept out, None where they are not; StoreUnavailable where not even reading is possible."""
        before = self.changes()
        end = time.monotonic() + HELD_SECONDS
        while True:
            try:
                with locked(self._lock, wait=False):
                    return self._tried()
            except BlockingIOError:
                if time.monotonic() > end:
                    break
                time.sleep(HELD_SECONDS / 50)
        return None if self.changes() != before else "writers wait for one that holds the catalog"

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


class _Translated:
    """Whatever SQLite says is StoreUnavailable."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise _unavailable(error) from error


translated = _Translated()


def _unavailable(error: sqlite3.Error) -> StoreUnavailable:
    return StoreUnavailable(f"the catalog cannot be used ({error}); nothing was acknowledged, mend the disk and repeat")
