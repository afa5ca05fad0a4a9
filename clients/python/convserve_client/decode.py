"""Replies into results. Members that this client does not know are ignored; ReplyError where one is missing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
import orjson

from convserve_client.errors import ReplyError
from convserve_client.results import (
    Choice,
    ClassCount,
    Dataset,
    Evaluation,
    Explanation,
    Gradients,
    JobStatus,
    Prediction,
    Trained,
    Version,
)
from convserve_client.transport import Reply
from convserve_wire.envelope import decode_reply
from convserve_wire.errors import WireError
from convserve_wire.tensors import Array

GRAD = "grad/"
R = TypeVar("R", Choice, ClassCount, Dataset, JobStatus, Version)


@contextmanager
def promised() -> Iterator[None]:
    """What a reply lacks, or has in another form, as a ReplyError."""
    try:
        yield
    except (WireError, KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise ReplyError(
            f"the reply is not what the protocol says: {error}; are client and service of one version?"
        ) from error


@promised()
def tensors(reply: Reply) -> tuple[dict[str, Any], dict[str, Array]]:
    """(members, outputs by name)."""
    return decode_reply(reply.body, reply.header_length)


@promised()
def predictions(reply: Reply) -> list[Prediction]:
    """One for each picture; a choice without a label is called by its index."""
    members = reply.json()
    version = int(members["model_version"])
    return [
        Prediction(tuple(_known(Choice, {"label": str(choice["index"]), **choice}) for choice in row["top"]), version)
        for row in members["predictions"]
    ]


@promised()
def gradients(members: Mapping[str, Any], found: dict[str, Array]) -> Gradients:
    loss = found.pop("loss", None)
    x = found.pop(GRAD + "x", None)
    parameters = {name.removeprefix(GRAD): found.pop(name) for name in list(found) if name.startswith(GRAD)}
    return Gradients(int(members["model_version"]), None if loss is None else float(loss[0]), parameters, x, found)


@promised()
def explanation(members: Mapping[str, Any], found: Mapping[str, Array]) -> Explanation:
    version = int(members["model_version"])
    return Explanation(version, found["explanation"], found["target"], found.get("completeness_error"))


@promised()
def trained(reply: Reply) -> Trained:
    members, found = tensors(reply)
    return Trained(
        version=int(members["model_version"]),
        step=members["step"],
        losses=found.get("loss", np.empty(0, np.float32)),
        digest=members["digest"],
        weights_digest=members["weights_digest"],
    )


@promised()
def evaluation(members: Mapping[str, Any]) -> Evaluation:
    classes = tuple(_known(ClassCount, entry) for entry in members["classes"])
    version = int(members["model_version"])
    return Evaluation(version, members["loss"], members["count"], members["accuracy"], classes)


def combined(parts: list[Evaluation]) -> Evaluation:
    """One evaluation of all rows from those of its pieces."""
    if len(parts) == 1:
        return parts[0]
    count = sum(part.count for part in parts)
    loss = sum(part.loss * part.count for part in parts) / count
    classes = tuple(
        ClassCount(same[0].index, same[0].label, sum(c.count for c in same), sum(c.correct for c in same))
        for same in zip(*(part.classes for part in parts), strict=True)
    )
    accuracy = sum(c.correct for c in classes) / count if classes else None
    return Evaluation(parts[0].version, loss, count, accuracy, classes)


@promised()
def versions(reply: Reply) -> list[Version]:
    rows = []
    for row in reply.json()["versions"]:
        parent = None if row["parent"] is None else int(row["parent"])
        changed = {"version": int(row["version"]), "parent": parent, "aliases": tuple(row["aliases"])}
        rows.append(_known(Version, {**row, **changed}))
    return rows


@promised()
def dataset(reply: Reply) -> Dataset:
    return _known(Dataset, reply.json())


@promised()
def datasets(reply: Reply) -> list[Dataset]:
    return [_known(Dataset, row) for row in reply.json()["datasets"]]


@promised()
def job(reply: Reply) -> JobStatus:
    return _job(reply.json())


@promised()
def jobs(reply: Reply) -> list[JobStatus]:
    return [_job(row) for row in reply.json()["jobs"]]


@promised()
def event(data: str) -> JobStatus:
    """A job's status in an event of its stream; its losses are those of the last steps up to `step`."""
    status = _job(orjson.loads(data))
    if status.losses.ndim != 1 or len(status.losses) > status.step:
        raise ValueError(f"{status.losses.size} losses do not fit {status.step} steps")
    return status


def _job(members: Mapping[str, Any]) -> JobStatus:
    made = members["model_version"]
    changed = {
        "job": str(members["job"]),
        "model_version": None if made is None else int(made),
        "losses": np.array(members.get("losses") or (), np.float32),
    }
    return _known(JobStatus, {**members, **changed})


def _known(kind: type[R], members: Mapping[str, Any]) -> R:
    return kind(**{field.name: members[field.name] for field in fields(kind) if field.name in members})
