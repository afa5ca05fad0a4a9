"""How long a part goes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """At least `cases`, and what fits into `minutes`; the same `seed`, the same cases."""

    cases: int
    minutes: float
    seed: int
