"""Going on while the service restarts: how long one waits for it, without a word from it."""

import time
from collections.abc import Callable
from typing import TypeVar

from convserve_client.errors import ConnectionFailed, RequestError, RequestTimeout
from convserve_client.retries import again

T = TypeVar("T")
Failure = ConnectionFailed | RequestTimeout | RequestError
FAILURES = (ConnectionFailed, RequestTimeout, RequestError)
PAUSE = 0.5  # seconds between two attempts, where the service does not say


class Patience:
    """At most `budget` seconds of failures in a row; whatever the service answers begins them anew."""

    def __init__(
        self,
        budget: float = 60.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._budget = budget
        self._clock = clock
        self._failing: float | None = None
        self.sleep = sleep

    def heard(self) -> None:
        """The service answered."""
        self._failing = None

    def bear(self, failure: Failure, pause: float = PAUSE) -> None:
        """Wait for the next attempt; raise the failure where it does not pass by itself, or lasts too long."""
        if isinstance(failure, RequestError):
            if not again(failure.status, failure.code):
                raise failure
            pause = max(pause, failure.retry_after or 0.0)
        now = self._clock()
        self._failing = now if self._failing is None else self._failing
        if now + pause > self._failing + self._budget:
            raise failure
        self.sleep(pause)

    def through(self, call: Callable[[], T]) -> T:
        """The call's result, after as many attempts as it takes."""
        while True:
            try:
                result = call()
            except FAILURES as failure:
                self.bear(failure)
            else:
                self.heard()
                return result
