"""Versions: made, listed, named."""

from collections.abc import Sequence
from typing import Any, Literal, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from convserve_wire.replies.answers import OutputTensor
from convserve_wire.replies.fields import CLOSED, Digest, Finite, Number, Time


@with_config(CLOSED)
class Written(TypedDict):
    """A new version: the optimizer's step, how many steps this request made, and its digests."""

    model_name: str
    model_version: Number
    step: int
    steps: int
    digest: Digest
    weights_digest: Digest


@with_config(CLOSED)
class Trained(Written):
    """The same, with the loss of every step."""

    id: NotRequired[str]
    outputs: Sequence[OutputTensor]


@with_config(CLOSED)
class Version(TypedDict):
    """A version in the history: `available` if its state is still there; its bits come from `release` and `cpu`."""

    version: Number
    parent: Number | None
    verb: str
    hyperparameters: dict[str, Any]
    step: int
    loss: Finite | None
    digest: Digest
    weights_digest: Digest
    created: Time
    aliases: Sequence[str]
    available: bool
    release: str
    cpu: str


@with_config(CLOSED)
class Versions(TypedDict):
    """The history, newest first."""

    model_name: str
    versions: Sequence[Version]


@with_config(CLOSED)
class Alias(TypedDict):
    """The version that a name means now."""

    model_name: str
    alias: str
    version: Number


@with_config(CLOSED)
class AliasDeleted(TypedDict):
    """The name means nothing any more."""

    model_name: str
    alias: str
    deleted: Literal[True]
