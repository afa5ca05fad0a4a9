"""Datasets, and the jobs that train on them."""

from collections.abc import Sequence
from typing import Annotated, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from convserve_wire.replies.fields import CLOSED, Digest, Finite, Number, Time

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]


@with_config(CLOSED)
class Dataset(TypedDict):
    """A stored file with rows x and targets y; `bytes` is its size."""

    name: str
    digest: Digest
    rows: int
    bytes: int
    created: Time


@with_config(CLOSED)
class Datasets(TypedDict):
    """By name."""

    datasets: Sequence[Dataset]


@with_config(CLOSED)
class DatasetDeleted(TypedDict):
    """The dataset is gone."""

    name: str
    deleted: Literal[True]


@with_config(CLOSED)
class Job(TypedDict):
    """A training on a stored dataset: where it is, the last loss, and how fast it goes."""

    job: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,18}$")]
    model_name: str
    dataset: str
    state: State
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: Finite | None
    images_per_second: Finite | None
    seconds_left: Finite | None
    model_version: Number | None
    error: str | None
    created: Time
    updated: Time


@with_config(CLOSED)
class Progress(Job):
    """The `data` of an event: the job as it was then, and the losses of the steps since the event before."""

    losses: NotRequired[Sequence[Finite]]


@with_config(CLOSED)
class Jobs(TypedDict):
    """Newest first."""

    jobs: Sequence[Job]
