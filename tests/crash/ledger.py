"""What the service told its clients, as it told it: what it may never go back on."""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from tests.crash.messages import Answer, Write
from tests.crash.promises import demand

ONCE = "a key is applied once, and a version is one request's"
SAME = "a version gives the same bits to everybody"


class Read(NamedTuple):
    """What was read: which verb, with which body of the readers, of which version."""

    model: str
    version: int
    verb: str
    sample: int


@dataclass(frozen=True)
class Acknowledged:
    """A write and the reply that acknowledged it."""

    write: Write
    answer: Answer


class Ledger:
    """Thread-safe; everything is remembered until the end of the campaign."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._floors: dict[str, int] = {}
        self._pending: dict[str, Write] = {}
        self._acknowledged: list[Acknowledged] = []
        self._owners: dict[tuple[str, int], Acknowledged] = {}
        self._aliases: dict[tuple[str, str], str | None] = {}
        self._reads: dict[Read, str] = {}
        self._losses: dict[str, list[float]] = {}
        self.counts: Counter[str] = Counter()

    def begin(self, write: Write) -> None:
        """From now on it may be applied."""
        with self._lock:
            self._pending[write.key] = write

    def settle(self, write: Write, answer: Answer) -> None:
        """The write has its last reply: it was applied, or refused and left no trace."""
        with self._lock:
            del self._pending[write.key]
            self.counts[f"{write.verb} {answer.status}"] += 1
            self._raise(write.model, answer)
            if answer.status not in (200, 201, 202):
                return
            made = Acknowledged(write, answer)
            self._acknowledged.append(made)
            if write.alias is not None:
                self._aliases[write.model, write.alias] = write.target
            if write.makes_version:
                other = self._owners.setdefault((write.model, answer.version), made)
                demand(other is made, ONCE, f"{write} and {other.write} both made version {answer.version}")

    def read(self, read: Read, digest: str, answer: Answer) -> None:
        """A reader saw this."""
        with self._lock:
            self.counts[f"read {read.verb}"] += 1
            self._raise(read.model, answer)
            seen = self._reads.setdefault(read, digest)
            demand(seen == digest, SAME, f"two replies of {read} differ: {seen} and {digest}")

    def finish(self, job: str, losses: list[float]) -> None:
        """A job has succeeded, and told the loss of each of its steps."""
        with self._lock:
            self._losses[job] = losses
            self.counts["jobs succeeded"] += 1

    def losses(self, job: str) -> list[float] | None:
        """None where it has not succeeded yet."""
        with self._lock:
            return self._losses.get(job)

    def floor(self, model: str) -> int:
        """The newest version that anybody was told of."""
        with self._lock:
            return self._floors.get(model, 0)

    def raise_floor(self, model: str, version: int) -> None:
        with self._lock:
            self._floors[model] = max(version, self._floors.get(model, 0))

    def pending(self) -> list[Write]:
        """Sent, and not answered yet."""
        with self._lock:
            return list(self._pending.values())

    def acknowledged(self) -> list[Acknowledged]:
        with self._lock:
            return list(self._acknowledged)

    def owners(self, model: str) -> dict[int, Acknowledged]:
        """Each acknowledged version of a model with the write that made it."""
        with self._lock:
            return {version: made for (name, version), made in self._owners.items() if name == model}

    def aliases(self, model: str) -> dict[str, str | None]:
        """What each alias was last said to mean; None where it was deleted."""
        with self._lock:
            return {alias: target for (name, alias), target in self._aliases.items() if name == model}

    def reads(self) -> dict[Read, str]:
        with self._lock:
            return dict(self._reads)

    def count(self, what: str, number: int = 1) -> None:
        """For the summary."""
        with self._lock:
            self.counts[what] += number

    def _raise(self, model: str, answer: Answer) -> None:
        if answer.status in (200, 201, 412) and answer.version > self._floors.get(model, 0):
            self._floors[model] = answer.version
