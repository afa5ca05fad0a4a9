"""The recorded history, recomputed: the same requests one after the other on a fresh server that nobody kills."""

import time
from collections.abc import Sequence

from tests.crash import history
from tests.crash.caller import Caller
from tests.crash.events import losses
from tests.crash.history import Row
from tests.crash.ledger import Ledger, Read
from tests.crash.messages import Write
from tests.crash.promises import demand
from tests.crash.readers import ask, fingerprint
from tests.crash.subjects import FITTED, Subject

SAME = "the history is that of the same requests made one after the other"
SEEN = "what readers saw was one whole version"
FIT_SECONDS = 120


def replay_writes(caller: Caller, subject: Subject, ledger: Ledger) -> int:
    """Every write of a model in the order of its versions, and every read of each: the same replies to the byte."""
    reads: dict[int, dict[Read, str]] = {}
    for read, digest in ledger.reads().items():
        if read.model == subject.name:
            reads.setdefault(read.version, {})[read] = digest
    owners = ledger.owners(subject.name)
    for version in range(1, len(owners) + 1):
        demand(version in owners, SAME, f"{subject.name} version {version} is of no acknowledged request")
        made = owners[version]
        answer = caller.write(made.write)
        demand(answer == made.answer, SAME, f"{made.write}: {answer}\n  in the campaign: {made.answer}")
        for read, digest in reads.pop(version, {}).items():
            again = ask(caller, subject, read.verb, read.sample, version)
            demand(again is not None and fingerprint(again) == digest, SEEN, f"{read} had {digest}; now {again}")
    demand(not reads, SEEN, f"readers saw {subject.name} versions {sorted(reads)}, which do not exist")
    return len(owners)


def start_fits(caller: Caller, create: Write, ledger: Ledger) -> None:
    """Queue the same jobs on the same data."""
    made = [made.write for made in ledger.acknowledged() if made.write.verb in ("dataset", "fit")]
    for write in (create, *made):
        answer = caller.write(write)
        demand(answer is not None and answer.status in (200, 201, 202), SAME, f"{write}: {answer}")


def compare_fits(caller: Caller, ledger: Ledger, rows: Sequence[Row]) -> int:
    """The same jobs, not killed: the same losses, and after each number of steps that both committed the same bits."""
    for made in ledger.acknowledged():
        if made.write.verb == "fit":
            job = made.answer.members["job"]
            _wait(caller, job)
            same = losses(caller, job) == ledger.losses(job)
            demand(same, "a job makes each of its steps once", f"the losses of {made.write} are not those of its steps")
    again = {row.step: row for row in history.fetch(caller, FITTED)}
    both = [(row, again[row.step]) for row in rows if row.step in again]
    for one, other in both:
        same = (one.digest, one.weights_digest) == (other.digest, other.weights_digest)
        demand(same, "a job that was killed ends with the same bits", f"{one}\n  not killed: {other}")
    demand(rows[-1].step == max(again), SAME, f"the jobs made {rows[-1].step} steps, not killed {max(again)}")
    return len(both)


def _wait(caller: Caller, job: str) -> None:
    """Until it has succeeded."""
    end = time.monotonic() + FIT_SECONDS
    while (told := caller.get(f"/v2/jobs/{job}").members)["state"] != "succeeded":
        demand(told["state"] in ("queued", "running") and time.monotonic() < end, "a job comes to its end", f"{told}")
        time.sleep(0.02)
