"""What is known of a request while it is answered: for its reply, for the log, for who counts."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Noted:
    """Moments are monotonic, times in nanoseconds; `waited` for a thread. `model` and `version` once they are found.

    `owner` is the id of the API key that asks; `release` is called when it is answered, and `taken` is its memory.
    `batch` rows were sent, `images` went through the network; it computed from `begun` to `done`.
    """

    verb: str
    request_id: str
    started: int
    waited: int
    owner: str = ""
    release: Callable[[], None] | None = None
    taken: int = 0
    model: str | None = None
    version: int | None = None
    degraded: int | None = None
    batch: int = 0
    images: int = 0
    begun: int = 0
    done: int = 0


_noted: ContextVar[Noted] = ContextVar("noted")
note, noted = _noted.set, _noted.get  # of the request that this thread answers: when it begins, and from then on
