"""A cell of the table: one form of request over so many connections, to every service that takes it."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from bench.footprint.sides import OURS
from bench.service.agreement import pixels
from bench.service.loads import Flat, LoadFailed, Steady, flat_out, steady
from bench.service.plan import Plan
from bench.service.running import Running

SHARE = 0.5  # of what the best other service answers flat out: the constant rate that all are asked at
T = TypeVar("T")


@dataclass(frozen=True)
class Loaded:
    """A service in one round, flat out and at the cell's constant rate."""

    flat: Flat
    steady: Steady


@dataclass
class Cell:
    """`rate` is in requests/s, `failures` are by service; what failed is in no round."""

    form: str
    connections: int
    rate: float = 0.0
    rounds: list[dict[str, Loaded]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.form}, {self.connections} connection{'s' * (self.connections > 1)}"

    def measure(self, services: Mapping[str, Running], plan: Plan, order: random.Random) -> None:
        """Flat out once to warm up and to find the rate; then both loads in each round, services in random order."""
        calls = {name: one.side.questions[self.form].ask(*pixels(1)) for name, one in services.items()}

        def flat(name: str) -> Flat:
            return flat_out(services[name], calls[name], self.connections, plan.seconds)

        def constant(name: str) -> Steady:
            return steady(services[name], calls[name], self.connections, plan.seconds, self.rate)

        warm = self._each(services, flat, order)
        others = [one.rate for name, one in warm.items() if name != OURS]
        self.rate = SHARE * max(others or [one.rate for one in warm.values()], default=0.0)
        for _ in range(plan.rounds):
            flats, steadies = self._each(services, flat, order), self._each(services, constant, order)
            self.rounds.append({name: Loaded(flats[name], steadies[name]) for name in steadies})
        left = [name for name in services if name not in self.failures]
        self.rounds = [{name: found[name] for name in left} for found in self.rounds]

    def _each(self, services: Mapping[str, Running], load: Callable[[str], T], order: random.Random) -> dict[str, T]:
        """What a load finds at every service that has not failed in this cell."""
        found = {}
        left = [name for name in services if name not in self.failures]
        for name in order.sample(left, len(left)):
            try:
                found[name] = load(name)
            except LoadFailed as error:
                self.failures[name] = str(error)
        return found
