"""Models: made, described, gone."""

from collections.abc import Sequence
from typing import Literal

from pydantic import with_config
from typing_extensions import TypedDict

from convserve_wire.messages import Architecture, Preprocess, Training
from convserve_wire.replies.fields import CLOSED, Datatype, Digest, Number, Shape


@with_config(CLOSED)
class Created(TypedDict):
    """A new model, or the same one again: version 1, the number of its parameters."""

    model_name: str
    model_version: Number
    parameters: int
    step: int
    digest: Digest
    weights_digest: Digest


@with_config(CLOSED)
class TensorMetadata(TypedDict):
    """An input or output; -1 is any number of rows."""

    name: str
    datatype: Datatype
    shape: Sequence[int]


@with_config(CLOSED)
class Metadata(TypedDict):
    """V2 metadata of a model."""

    name: str
    versions: Sequence[Number]
    platform: str
    inputs: Sequence[TensorMetadata]
    outputs: Sequence[TensorMetadata]


@with_config(CLOSED)
class ModelReadiness(TypedDict):
    """The model answers."""

    name: str
    ready: Literal[True]


@with_config(CLOSED)
class Description(TypedDict):
    """What was put, defaults filled in, with the number of parameters and every layer's output shape."""

    model_name: str
    architecture: Architecture
    labels: Sequence[str] | None
    preprocess: Preprocess
    training: Training
    seed: int
    parameters: int
    shapes: dict[str, Shape]


@with_config(CLOSED)
class ModelDeleted(TypedDict):
    """The model and all its versions are gone."""

    model_name: str
    deleted: Literal[True]
