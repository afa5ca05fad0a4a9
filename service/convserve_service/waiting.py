"""How long the request of this thread waited for a thread: told by the worker, read by who counts."""

import threading

_waited = threading.local()


def tell(nanoseconds: int) -> None:
    """Before the thread begins with a request."""
    _waited.nanoseconds = nanoseconds


def nanoseconds() -> int:
    """0 where nobody told."""
    return getattr(_waited, "nanoseconds", 0)
