"""All checks after a kill, while nobody but the job writes."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import TypeVar

from tests.crash import agreement, history, reading_back
from tests.crash.caller import Caller
from tests.crash.chain import check_chain
from tests.crash.history import Row
from tests.crash.ledger import Ledger
from tests.crash.leftovers import Leftovers
from tests.crash.promises import demand
from tests.crash.segments import check_segments
from tests.crash.subjects import FITTED, Subject

T = TypeVar("T")
REPLIES = 6  # old keys that are repeated each time
ONCE = "a key is applied once"
READS = 12  # reads that are asked again each time
STATES = 6  # older states that are read again each time, besides all new ones


class Inspector:
    """Remembers the histories that it saw; the first promise that does not hold is raised."""

    def __init__(
        self,
        caller: Caller,
        ledger: Ledger,
        subjects: Sequence[Subject],
        leftovers: Leftovers,
        keep: int,
        random: Random,
    ) -> None:
        self._caller = caller
        self._ledger = ledger
        self._subjects = {subject.name: subject for subject in subjects}
        self._leftovers = leftovers
        self._keep = keep
        self._random = random
        self.histories: dict[str, list[Row]] = {name: [] for name in self._subjects}

    def inspect(self, *, restarted: bool) -> tuple[int, int]:
        """How many versions there are, and how many of them no reply had told of; `restarted` if serve was killed."""
        unclaimed = 0
        for name, subject in self._subjects.items():
            before, rows = self.histories[name], self._fetch(name)
            check_chain(name, rows, self._keep)
            agreement.check_same(name, before, rows)
            unclaimed += agreement.check_acknowledged(name, rows, self._ledger)
            agreement.check_aliases(name, rows, self._ledger)
            self.histories[name] = rows
            old = self._sample([row for row in rows[: len(before)] if row.available], STATES)
            new = [row for row in rows[len(before) :] if row.available]
            reading_back.check_states(self._caller, subject, old + new)
        check_segments(self.histories[FITTED], self._ledger)
        agreement.check_weights_seen(self.histories, self._ledger)
        reads = self._sample(
            [r for r in self._ledger.reads().items() if self._available(r[0].model, r[0].version)], READS
        )
        reading_back.check_reads(self._caller, self._subjects, self.histories, dict(reads))
        acknowledged = self._ledger.acknowledged()
        reading_back.check_replies(self._caller, self._sample(acknowledged, REPLIES))
        reading_back.check_data(self._caller, [made for made in acknowledged if made.write.verb == "dataset"])
        self._check_jobs(sum(made.write.verb == "fit" for made in acknowledged))
        if restarted:
            self._leftovers.check(self._needed)
        return sum(map(len, self.histories.values())), unclaimed

    def _fetch(self, name: str) -> list[Row]:
        return history.fetch(self._caller, name)

    def _check_jobs(self, acknowledged: int) -> None:
        """Each fit is one job."""
        jobs = len(self._caller.get("/v2/jobs?limit=1000").members["jobs"])
        waiting = sum(write.verb == "fit" for write in self._ledger.pending())
        demand(
            acknowledged <= jobs <= acknowledged + waiting, ONCE, f"{jobs} jobs of {acknowledged} fits (+ {waiting})"
        )

    def _available(self, model: str, version: int) -> bool:
        return self.histories[model][version - 1].available

    def _needed(self) -> Counter[str]:
        """The digests of the blobs that there must be."""
        rows = [row for name in self._subjects for row in self._fetch(name)]
        stored = self._caller.get("/v2/datasets").members["datasets"]
        return Counter([row.digest for row in rows if row.available] + [entry["digest"] for entry in stored])

    def _sample(self, population: Sequence[T], most: int) -> list[T]:
        return self._random.sample(population, min(most, len(population)))
