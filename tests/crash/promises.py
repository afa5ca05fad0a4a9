"""What the campaign looks for: a promise of the service that was not kept."""


class BrokenPromise(Exception):
    """Which promise, and what was seen instead."""

    def __init__(self, promise: str, seen: str) -> None:
        super().__init__(f"broken promise: {promise}\n  seen: {seen}")
        self.promise = promise


def demand(kept: bool, promise: str, seen: str) -> None:
    """BrokenPromise unless it was kept."""
    if not kept:
        raise BrokenPromise(promise, seen)
