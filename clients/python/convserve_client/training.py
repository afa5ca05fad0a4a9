"""Long training as several requests, each a transaction; shown as one progress bar."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from convserve_client.errors import ConvserveError
from convserve_client.progress import Progress, reporter
from convserve_client.results import Trained
from convserve_wire.tensors import Array

Send = Callable[[Array, Array, Mapping[str, Any], int | None, str | None], Trained]


@dataclass(frozen=True)
class Plan:
    """How `rows` of data become requests."""

    rows: int
    epochs: int
    batch_size: int | None
    shuffle_seed: int | None
    steps_per_request: int | None
    if_match: int | None
    key: str | None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "steps_per_request"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConvserveError(f"{name} is {value}, but it must be at least 1")
        if self.steps_per_request is not None and self.batch_size is None:
            raise ConvserveError("steps_per_request needs a batch_size, which says how many rows a step takes")

    def requests(self) -> Iterator[Array]:
        """The rows of each request, epoch by epoch, in order or shuffled by (shuffle_seed, epoch)."""
        assert self.steps_per_request is not None
        assert self.batch_size is not None
        size = self.steps_per_request * self.batch_size
        for epoch in range(self.epochs):
            order = np.arange(self.rows)
            if self.shuffle_seed is not None:
                order = np.random.Generator(np.random.Philox(key=[self.shuffle_seed, epoch])).permutation(self.rows)
            for start in range(0, self.rows, size):
                yield order[start : start + size]


def run(send: Send, x: Array, y: Array, plan: Plan, progress: bool | Progress) -> Trained:
    """The last version, with the losses of all steps. A write expects the version that the one before it made."""
    losses: list[Array] = []
    done, total, expected = 0, plan.rows * plan.epochs, plan.if_match
    with reporter(progress, total) as report:
        if plan.steps_per_request is None:
            options = {"epochs": plan.epochs, "batch_size": plan.batch_size, "shuffle_seed": plan.shuffle_seed}
            made = send(x, y, options, plan.if_match, plan.key)
            report(total, total, float(made.losses[-1]))
            return made
        for number, rows in enumerate(plan.requests()):
            key = None if plan.key is None else f"{plan.key}-{number}"
            made = send(x[rows], y[rows], {"batch_size": plan.batch_size}, expected, key)
            expected = None if plan.if_match is None else made.version
            losses.append(made.losses)
            done += len(rows)
            report(done, total, float(made.losses[-1]))
    return replace(made, losses=np.concatenate(losses))
