"""How long a client may take: it has some seconds in hand, uses them up, and earns more with bytes."""

import math
from dataclasses import dataclass


@dataclass
class Pace:
    """`seconds` in hand at most, and `rate` bytes earn one. Times are of the monotonic clock."""

    seconds: float
    rate: float
    deadline: float = math.inf

    def begin(self, now: float, seconds: float | None = None) -> None:
        """Something new begins, with all of the seconds or as many as are given."""
        self.deadline = now + (self.seconds if seconds is None else seconds)

    def moved(self, count: int, now: float) -> None:
        """So many bytes were sent or taken."""
        self.deadline = min(self.deadline + count / self.rate, now + self.seconds)
