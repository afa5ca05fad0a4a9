"""What the server says of itself, and of what went wrong."""

from collections.abc import Sequence
from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from convserve_wire.replies.fields import CLOSED, Finite


@with_config(CLOSED)
class Error(TypedDict):
    """What was got, what was expected, what to do; `where` names the field to blame, as in `inputs[0].shape`."""

    error: str
    code: Annotated[str, Field(pattern="^[a-z_]+$")]
    where: NotRequired[str]


@with_config(CLOSED)
class Alive(TypedDict):
    """The process runs."""

    live: Literal[True]


@with_config(CLOSED)
class Readiness(TypedDict):
    """`ready`: it can predict; `writable`: it can learn; else the reason."""

    ready: bool
    writable: NotRequired[bool]
    reason: NotRequired[str]


@with_config(CLOSED)
class Limits(TypedDict):
    """What one request may have."""

    body_bytes: int
    rows: int
    pixels: int


@with_config(CLOSED)
class Server(TypedDict):
    """V2 metadata of the server, its limits, and how long a repeated write gets the stored reply."""

    name: str
    version: str
    extensions: Sequence[str]
    limits: Limits
    idempotency_hours: Finite


@with_config(CLOSED)
class IndexEntry(TypedDict):
    """A model of V2's repository; `version` is its newest, empty where all are lost."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


Index = Sequence[IndexEntry]


@with_config(CLOSED)
class Nothing(TypedDict):
    """An empty object: it is done."""


@with_config(ConfigDict(extra="allow"))
class OpenAPI(TypedDict):
    """An OpenAPI 3.1 document."""

    openapi: str
