"""Waiting for a fit: its steps told in images, its last version as a result."""

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from convserve_client.errors import JobFailed
from convserve_client.jobs import Job
from convserve_client.patience import Patience
from convserve_client.progress import Progress, reporter
from convserve_client.results import Trained, Version


class FitOptions(TypedDict, total=False):
    """The options of `Model.fit`, beside data and `wait`."""

    dataset: str | None
    epochs: int
    batch_size: int
    shuffle_seed: int | None
    commit_every: int
    optimizer: Mapping[str, Any] | None
    loss: Mapping[str, Any] | None
    schedule: Mapping[str, Any] | None
    clip_grad_norm: float | None
    progress: bool | Progress
    if_match: int | None
    idempotency_key: str | None


def images(step: int, rows: int, batch_size: int) -> int:
    """How many images `step` steps take; the last batch of an epoch may be short."""
    epochs, batches = divmod(step, -(-rows // batch_size))
    return epochs * rows + min(rows, batches * batch_size)


def finish(
    job: Job, rows: int, batch_size: int, epochs: int, version: Callable[[int], Version], progress: bool | Progress
) -> Trained:
    """The version that the job ended with; `version` looks one up. JobFailed where there is none."""
    total = rows * epochs
    with reporter(progress, total) as report:
        last = job.wait(lambda step, steps, loss: report(images(step, rows, batch_size), total, loss))
    made = last.model_version
    if made is None:
        raise JobFailed(last)
    found = Patience().through(lambda: version(made))
    return Trained(found.version, found.step, last.losses, found.digest, found.weights_digest)
