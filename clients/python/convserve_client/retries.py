"""When to send a request again, and after how long; a pure description, the sleeping is the transport's."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

AGAIN = frozenset({429, 502, 503, 504})
IN_FLIGHT = "key_in_flight"


@dataclass(frozen=True)
class Retries:
    """At most `count` repeats; waits double from `first` seconds to `longest`, with full jitter."""

    count: int = 6
    first: float = 0.1
    longest: float = 10.0

    def wait(self, attempt: int, retry_after: str | None) -> float:
        """Seconds before repeat number `attempt` (from 0): what the server asks for, else the backoff."""
        asked = seconds(retry_after)
        if asked is not None:
            return min(asked, self.longest)
        return random.uniform(0, min(self.longest, self.first * 2**attempt))


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
    except (ValueError, TypeError):
        return None


def again(status: int, code: str | None) -> bool:
    """Whether a refusal passes by itself."""
    return status in AGAIN or (status == 409 and code == IN_FLIGHT)
