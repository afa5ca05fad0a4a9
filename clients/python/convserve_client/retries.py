"""When to send a request again, and after how long; a pure description, the sleeping is the transport's."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

AGAIN = frozenset({429, 502, 503, 504})
IN_FLIGHT = "key_in_flight"


@dataclass(frozen=True)
class Retries:
    """At most `count` repeats; waits double from `first` seconds to `longest`, with full jitter.

    All waits of one call together take at most `budget` seconds.
    """

    count: int = 6
    first: float = 0.1
    longest: float = 10.0
    budget: float = 30.0

    def wait(
        self, attempt: int, waited: float, retry_after: str | None, uniform: Callable[[float, float], float]
    ) -> float | None:
        """Seconds before repeat number `attempt` (from 0), `waited` seconds into the budget; None to give up.

        What the server asks for, never less, else the backoff.
        """
        if attempt >= self.count:
            return None
        asked = seconds(retry_after)
        wait = uniform(0, min(self.longest, self.first * 2**attempt)) if asked is None else asked
        return wait if waited + wait <= self.budget else None


def seconds(retry_after: str | None) -> float | None:
    """A Retry-After header (a number or a date) in seconds from now; None where there is none."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def again(status: int, code: str | None) -> bool:
    """Whether a refusal passes by itself."""
    return status in AGAIN or (status == 409 and code == IN_FLIGHT)
