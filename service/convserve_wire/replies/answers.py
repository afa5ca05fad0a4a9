"""What a model answers: tensors, classes, scores."""

from collections.abc import Sequence
from typing import Any, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from convserve_wire.replies.fields import CLOSED, Datatype, Finite, Number, Shape


@with_config(CLOSED)
class OutputTensor(TypedDict):
    """A tensor: flat `data`, or `parameters.binary_data_size` bytes after the header."""

    name: str
    shape: Shape
    datatype: Datatype
    data: NotRequired[Sequence[Any]]
    parameters: NotRequired[dict[str, Any]]


@with_config(CLOSED)
class Tensors(TypedDict):
    """V2's reply: the outputs that were asked for."""

    model_name: str
    model_version: Number
    id: NotRequired[str]
    outputs: Sequence[OutputTensor]


@with_config(CLOSED)
class Score(TypedDict):
    """A class and its probability, or an output and its value."""

    index: int
    label: str
    probability: NotRequired[Finite]
    value: NotRequired[Finite]


@with_config(CLOSED)
class Prediction(TypedDict):
    """The best classes of one picture, the most probable first."""

    top: Sequence[Score]


@with_config(CLOSED)
class Predictions(TypedDict):
    """One prediction for each picture, in their order."""

    model_name: str
    model_version: Number
    predictions: Sequence[Prediction]


@with_config(CLOSED)
class ClassCount(TypedDict):
    """How many rows a class has, and how many of them were recognized."""

    index: int
    label: str
    count: int
    correct: int


@with_config(CLOSED)
class Evaluated(TypedDict):
    """Loss and accuracy over all rows; `accuracy` is null and `classes` empty where targets are no classes."""

    model_name: str
    model_version: Number
    loss: Finite
    accuracy: Finite | None
    count: int
    classes: Sequence[ClassCount]
