"""The catalog: an SQLite database that alone says what exists, what is newest, and what an alias means.

SQLite before 3.51.3 may lose writes when several processes commit and checkpoint (the WAL-reset bug), so every
transaction and every checkpoint runs under one file lock, and automatic checkpoints are off.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from convserve_service.store.errors import StoreUnavailable
from convserve_service.store.locks import locked
from convserve_service.store.records import Key, ModelRow, Reply, VersionRow

SCHEMA_VERSION = 1
CHECKPOINT_PAGES = 1000
SCHEMA = """
CREATE TABLE numbers (model TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE models (name TEXT PRIMARY KEY, spec TEXT NOT NULL, created TEXT NOT NULL, loaded INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE versions (
    model TEXT NOT NULL REFERENCES models (name) ON DELETE CASCADE, version INTEGER NOT NULL, parent INTEGER,
    verb TEXT NOT NULL, hyperparameters TEXT NOT NULL, step INTEGER NOT NULL, loss REAL, digest TEXT NOT NULL,
    weights_digest TEXT NOT NULL, blob TEXT NOT NULL, created TEXT NOT NULL, available INTEGER NOT NULL,
    PRIMARY KEY (model, version)) WITHOUT ROWID;
CREATE TABLE aliases (
    model TEXT NOT NULL REFERENCES models (name) ON DELETE CASCADE, alias TEXT NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (model, alias)) WITHOUT ROWID;
CREATE TABLE replies (
    owner TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    content_type TEXT NOT NULL, header_length TEXT, model_version TEXT, created TEXT NOT NULL,
    PRIMARY KEY (owner, key));
"""
COLUMNS = tuple(field.name for field in fields(VersionRow) if field.name != "aliases")
SELECT_VERSION = f"SELECT {', '.join('v.' + name for name in COLUMNS)} FROM versions v"
REPLY = "status, body, content_type, header_length, model_version"


class Catalog:
    """One database file. A connection for each thread; reads are autocommit, writes go through `transaction`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_suffix(".lock")
        self._local = threading.local()
        with _translated(), locked(self._lock):
            self._prepare()

    def model(self, name: str) -> ModelRow | None:
        row = self._one("SELECT name, spec, created, loaded FROM models WHERE name = ?", name)
        return None if row is None else ModelRow(row[0], row[1], row[2], bool(row[3]))

    def models(self) -> list[ModelRow]:
        rows = self._all("SELECT name, spec, created, loaded FROM models ORDER BY name")
        return [ModelRow(row[0], row[1], row[2], bool(row[3])) for row in rows]

    def read(self, model: str, version: int | str | None) -> tuple[ModelRow | None, VersionRow | None]:
        """A model and its newest version, or that of a number or an alias, as they are at one moment."""
        which = {
            type(None): "(SELECT max(version) FROM versions WHERE model = m.name AND available)",
            int: "?2",
            str: "(SELECT version FROM aliases WHERE model = m.name AND alias = ?2)",
        }[type(version)]
        columns = ", ".join("v." + name for name in COLUMNS)
        row = self._one(
            f"SELECT m.name, m.spec, m.created, m.loaded, {columns} FROM models m"
            f" LEFT JOIN versions v ON v.model = m.name AND v.version = {which} WHERE m.name = ?1",
            model,
            *(() if version is None else (version,)),
        )
        if row is None:
            return None, None
        return ModelRow(row[0], row[1], row[2], bool(row[3])), None if row[4] is None else _version(row[4:])

    def versions(self, model: str, limit: int, before: int | None = None) -> list[VersionRow]:
        """Newest first, with their aliases."""
        rows = self._all(
            f"{SELECT_VERSION} WHERE v.model = ? AND v.version < ? ORDER BY v.version DESC LIMIT ?",
            model,
            before if before is not None else 1 << 62,
            limit,
        )
        named: dict[int, list[str]] = {}
        for alias, version in self._all("SELECT alias, version FROM aliases WHERE model = ? ORDER BY alias", model):
            named.setdefault(version, []).append(alias)
        return [_version(row, tuple(named.get(row[1], ()))) for row in rows]

    def blobs(self) -> set[str]:
        """Every blob that a version still needs."""
        return {row[0] for row in self._all("SELECT blob FROM versions WHERE available")}

    def reply(self, owner: str, key: str) -> tuple[bytes, Reply] | None:
        """(fingerprint, reply) of an applied request."""
        row = self._one(f"SELECT fingerprint, {REPLY} FROM replies WHERE owner = ? AND key = ?", owner, key)
        return None if row is None else (row[0], Reply(*row[1:]))

    @contextmanager
    def transaction(self) -> Iterator["Transaction"]:
        """All of it or nothing, durable when the block ends; one at a time on this host."""
        with _translated(), locked(self._lock):
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            with suppress(sqlite3.Error, OSError):  # the commit stands, whatever becomes of its tidying
                self._checkpoint(connection)

    def _prepare(self) -> None:
        connection = self._connection()
        connection.execute("PRAGMA journal_mode = WAL")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif found != SCHEMA_VERSION:
            raise StoreUnavailable(
                f"the catalog {self._path} has format {found}, but this release reads {SCHEMA_VERSION};"
                " use the release that made it, or another data directory"
            )

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=5)
            for pragma in ("synchronous = FULL", "wal_autocheckpoint = 0", "foreign_keys = ON", "mmap_size = 0"):
                connection.execute(f"PRAGMA {pragma}")
            self._local.connection = connection
        return connection

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        wal = self._path.with_name(self._path.name + "-wal")
        if wal.stat().st_size > CHECKPOINT_PAGES * 4096:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _one(self, sql: str, *values: Any) -> Any:
        rows = self._all(sql, *values)
        return rows[0] if rows else None

    def _all(self, sql: str, *values: Any) -> list[Any]:
        with _translated():
            return self._connection().execute(sql, values).fetchall()


class Transaction:
    """What a writer may do between BEGIN and COMMIT."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    def head(self, model: str) -> int | None:
        """The newest version that has its state, None where the model is not there."""
        row = self._execute("SELECT max(version) FROM versions WHERE model = ? AND available", (model,)).fetchone()
        return None if row is None else row[0]

    def last_number(self, model: str) -> int:
        """The last number that a version of this name ever had; 0 for a new name."""
        row = self._execute("SELECT last FROM numbers WHERE model = ?", (model,)).fetchone()
        return 0 if row is None else int(row[0])

    def add_model(self, row: ModelRow) -> None:
        self._execute("INSERT INTO models VALUES (?, ?, ?, ?)", (row.name, row.spec, row.created, row.loaded))

    def delete_model(self, name: str) -> list[str]:
        """The names of its blobs, which nobody needs from now on."""
        blobs = [row[0] for row in self._execute("SELECT blob FROM versions WHERE model = ?", (name,)).fetchall()]
        self._execute("DELETE FROM models WHERE name = ?", (name,))
        return blobs

    def set_loaded(self, name: str, loaded: bool) -> None:
        self._execute("UPDATE models SET loaded = ? WHERE name = ?", (loaded, name))

    def add_version(self, row: VersionRow) -> None:
        values = [getattr(row, name) for name in COLUMNS]
        values[COLUMNS.index("hyperparameters")] = json.dumps(row.hyperparameters, sort_keys=True)
        self._execute(f"INSERT INTO versions ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})", values)
        self._execute("INSERT OR REPLACE INTO numbers VALUES (?, ?)", (row.model, row.version))

    def set_alias(self, model: str, alias: str, version: int) -> None:
        self._execute("INSERT OR REPLACE INTO aliases VALUES (?, ?, ?)", (model, alias, version))

    def delete_alias(self, model: str, alias: str) -> bool:
        """Whether it was there."""
        return self._execute("DELETE FROM aliases WHERE model = ? AND alias = ?", (model, alias)).rowcount == 1

    def add_reply(self, key: Key, reply: Reply, created: str) -> None:
        self._execute(
            f"INSERT INTO replies (owner, key, fingerprint, {REPLY}, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key.owner, key.value, key.fingerprint, reply.status, reply.body, reply.content_type,
                reply.header_length, reply.model_version, created,
            ),
        )  # fmt: skip


def _version(row: Any, aliases: tuple[str, ...] = ()) -> VersionRow:
    values = dict(zip(COLUMNS, row, strict=True))
    values["hyperparameters"] = json.loads(values["hyperparameters"])
    values["available"] = bool(values["available"])
    return VersionRow(**values, aliases=aliases)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreUnavailable(
            f"the catalog cannot be used ({reason}); nothing was acknowledged, mend the disk and repeat"
        ) from error
