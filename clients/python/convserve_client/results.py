"""What a model answers, as immutable values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from convserve_wire.tensors import Array


@dataclass(frozen=True)
class Choice:
    """One class with its probability, or one output with its `value` where the model is no classifier."""

    index: int
    label: str
    probability: float | None = None
    value: float | None = None

    def __str__(self) -> str:
        return (
            f"{self.label} ({self.value:g})" if self.probability is None else f"{self.label} ({self.probability:.1%})"
        )


@dataclass(frozen=True)
class Prediction:
    """What the model thinks of one picture: the best classes, most probable first."""

    top: tuple[Choice, ...]
    version: int

    @property
    def label(self) -> str:
        return self.top[0].label

    @property
    def index(self) -> int:
        return self.top[0].index

    @property
    def probability(self) -> float | None:
        """None where the model is no classifier."""
        return self.top[0].probability

    @property
    def value(self) -> float | None:
        """The first output, where the model is no classifier."""
        return self.top[0].value

    def __str__(self) -> str:
        return str(self.top[0])


@dataclass(frozen=True, eq=False)
class Gradients:
    """`parameters` by name under PyTorch's shapes; `x` [N,C,H,W], `logits` and layers where asked for."""

    version: int
    loss: float | None
    parameters: Mapping[str, Array]
    x: Array | None = None
    outputs: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Explanation:
    """`values` [N,C,H,W]: how much each element of x moves the output `target` [N]; `completeness_error` [N] is that of
    integrated gradients."""

    version: int
    values: Array
    target: Array
    completeness_error: Array | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """A version that a write made: optimizer steps since creation, the loss of each step, digests."""

    version: int
    step: int
    losses: Array
    digest: str
    weights_digest: str


@dataclass(frozen=True)
class Dataset:
    """Rows that the service keeps under a name; the digest is that of their safetensors file."""

    name: str
    digest: str
    rows: int
    bytes: int
    created: str


FINISHED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, eq=False)
class JobStatus:
    """How far a job is: `step` of `steps` are committed, `model_version` is the last version that it made.

    `losses` are those since the event before; of all steps in what `wait` returns; else none.
    """

    job: str
    model_name: str
    dataset: str
    state: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float | None
    images_per_second: float | None
    seconds_left: float | None
    model_version: int | None
    error: str | None
    created: str
    updated: str
    losses: Array = field(default_factory=lambda: np.empty(0, np.float32))

    @property
    def finished(self) -> bool:
        return self.state in FINISHED


@dataclass(frozen=True)
class ClassCount:
    index: int
    label: str
    count: int
    correct: int


@dataclass(frozen=True)
class Evaluation:
    """Mean loss over `count` rows; `accuracy` None where targets are no classes."""

    version: int
    loss: float
    count: int
    accuracy: float | None
    classes: tuple[ClassCount, ...]


@dataclass(frozen=True)
class Version:
    """One row of the history."""

    version: int
    parent: int | None
    verb: str
    step: int
    loss: float | None
    digest: str
    weights_digest: str
    created: str
    aliases: tuple[str, ...]
    available: bool
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
