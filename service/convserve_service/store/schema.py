"""The tables of the catalog, and how their rows become records."""

import json
from typing import Any, NamedTuple

from convserve_service.store.records import ApiKey, DatasetRow, JobRow, ModelRow, VersionRow
from convserve_wire.replies import Job

FIRST = """
CREATE TABLE numbers (model TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE models (
    name TEXT PRIMARY KEY, spec TEXT NOT NULL, created TEXT NOT NULL, loaded INTEGER NOT NULL, degraded INTEGER
) WITHOUT ROWID;
CREATE TABLE versions (
    model TEXT NOT NULL REFERENCES models (name) ON DELETE CASCADE, version INTEGER NOT NULL, parent INTEGER,
    verb TEXT NOT NULL, hyperparameters TEXT NOT NULL, step INTEGER NOT NULL, loss REAL, digest TEXT NOT NULL,
    weights_digest TEXT NOT NULL, blob TEXT NOT NULL, created TEXT NOT NULL, release TEXT NOT NULL, cpu TEXT NOT NULL,
    state TEXT NOT NULL, PRIMARY KEY (model, version)
) WITHOUT ROWID;
CREATE INDEX states ON versions (model, state, version);
CREATE TABLE aliases (
    model TEXT NOT NULL REFERENCES models (name) ON DELETE CASCADE, alias TEXT NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (model, alias)
) WITHOUT ROWID;
CREATE TABLE replies (
    owner TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    content_type TEXT NOT NULL, header_length TEXT, model_version TEXT, created TEXT NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX ages ON replies (created);
CREATE TABLE datasets (
    name TEXT PRIMARY KEY, digest TEXT NOT NULL, blob TEXT NOT NULL, rows INTEGER NOT NULL, size INTEGER NOT NULL,
    created TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, dataset TEXT NOT NULL, digest TEXT NOT NULL,
    options TEXT NOT NULL, state TEXT NOT NULL, cancel INTEGER NOT NULL, attempts INTEGER NOT NULL,
    done INTEGER NOT NULL, steps INTEGER NOT NULL, loss REAL, speed REAL, version INTEGER, error TEXT,
    created TEXT NOT NULL, updated TEXT NOT NULL
);
CREATE INDEX job_states ON jobs (state, id);
CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL, data TEXT NOT NULL);
CREATE INDEX job_events ON events (job, id);
"""
KEYS = """
CREATE TABLE keys (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, hash BLOB NOT NULL, scopes TEXT NOT NULL, rate REAL,
    concurrency INTEGER, created TEXT NOT NULL
) WITHOUT ROWID;
"""
STEPS = (FIRST, KEYS)  # each makes the next format of the one before it, which it keeps
VERSION = len(STEPS)


def columns(record: type[NamedTuple], *without: str) -> tuple[str, ...]:
    return tuple(name for name in record._fields if name not in without)


MODEL = columns(ModelRow)
VERSION_COLUMNS = columns(VersionRow, "aliases")
DATASET = columns(DatasetRow)
JOB = columns(JobRow)
API_KEY = columns(ApiKey)


def model(row: Any) -> ModelRow:
    values = dict(zip(MODEL, row, strict=True))
    return ModelRow(**{**values, "loaded": bool(values["loaded"])})


def version(row: Any, aliases: tuple[str, ...] = ()) -> VersionRow:
    values = dict(zip(VERSION_COLUMNS, row, strict=True))
    return VersionRow(**{**values, "hyperparameters": json.loads(values["hyperparameters"])}, aliases=aliases)


def version_values(row: VersionRow) -> list[Any]:
    values = {name: getattr(row, name) for name in VERSION_COLUMNS}
    return list({**values, "hyperparameters": json.dumps(row.hyperparameters, sort_keys=True)}.values())


def job(row: Any) -> JobRow:
    values = dict(zip(JOB, row, strict=True))
    return JobRow(**{**values, "options": json.loads(values["options"]), "cancel": bool(values["cancel"])})


def api_key(row: Any) -> ApiKey:
    values = dict(zip(API_KEY, row, strict=True))
    return ApiKey(**{**values, "scopes": tuple(values["scopes"].split())})


def api_key_values(row: ApiKey) -> list[Any]:
    values = {name: getattr(row, name) for name in API_KEY}
    return list({**values, "scopes": " ".join(row.scopes)}.values())


def listed(names: tuple[str, ...], prefix: str = "") -> str:
    """`a, b, c` for SELECT and INSERT."""
    return ", ".join(prefix + name for name in names)


def marks(names: tuple[str, ...]) -> str:
    return ", ".join("?" * len(names))


def shown_job(row: JobRow) -> Job:
    """A job as clients see it; times in seconds."""
    epochs = row.options["epochs"]
    images = row.options["rows"] * epochs * (1 - row.done / row.steps)
    return {
        "job": str(row.id),
        "model_name": row.model,
        "dataset": row.dataset,
        "state": row.state,
        "epoch": min(epochs, row.done * epochs // row.steps + 1),
        "epochs": epochs,
        "step": row.done,
        "steps": row.steps,
        "loss": row.loss,
        "images_per_second": row.speed,
        "seconds_left": 0.0 if row.finished else images / row.speed if row.speed else None,
        "model_version": None if row.version is None else str(row.version),
        "error": row.error,
        "created": row.created,
        "updated": row.updated,
    }
