"""The V1 protocol of TensorFlow Serving and KServe."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import with_config
from typing_extensions import TypedDict

from convserve_wire.replies.fields import CLOSED


@with_config(CLOSED)
class V1Alive(TypedDict):
    """The process runs."""

    status: Literal["alive"]


@with_config(CLOSED)
class V1Index(TypedDict):
    """The names of all models."""

    models: Sequence[str]


@with_config(CLOSED)
class V1Readiness(TypedDict):
    """Whether the model answers."""

    name: str
    ready: bool


@with_config(CLOSED)
class V1Predictions(TypedDict):
    """The logits of each instance, in their order."""

    predictions: Sequence[Any]
