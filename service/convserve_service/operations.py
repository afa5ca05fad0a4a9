"""What the world may know of a route: its verb, who may use it, what it takes and what it answers."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

BINARY = "binary"  # bytes that no schema describes
Media = Mapping[str, Any]  # media type -> message, reply or BINARY
NOTHING: Media = MappingProxyType({})


def envelope(media: Media) -> bool:
    """Whether it is V2's: JSON, or raw tensors behind a JSON header."""
    return media.get("application/octet-stream") == BINARY and "application/json" in media


class Scope(StrEnum):
    """What an API key may be good for; `admin` is good for everything."""

    INFER = "infer"
    GRADIENTS = "gradients"
    TRAIN = "train"
    ADMIN = "admin"


class Query(NamedTuple):
    """A parameter of the query: a number from `least` to `most`, one of `choices`, or any text."""

    name: str
    summary: str
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()


class Operation(NamedTuple):
    """`name` is its verb in logs, metrics and the OpenAPI document; `scope` None is open to everybody.

    `body` and `reply` map media types to the message that validates or describes them. `versions`: also the path of one
    version. `headers` of the request are those that mean something to this operation alone. `bare`: it is also asked
    without its body.
    """

    name: str
    method: str
    path: str
    scope: Scope | None
    summary: str
    body: Media = NOTHING
    reply: Media = NOTHING
    statuses: tuple[int, ...] = (200,)
    query: tuple[Query, ...] = ()
    headers: tuple[str, ...] = ()
    versions: bool = False
    bare: bool = False
