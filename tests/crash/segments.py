"""The versions that jobs made: every step of a job once and in its order, however often it was killed."""

from collections.abc import Sequence

from tests.crash.history import Row
from tests.crash.ledger import Ledger
from tests.crash.promises import demand

STEPS = "a job makes each of its steps once"


def check_segments(rows: Sequence[Row], ledger: Ledger) -> None:
    """Segments join, no job goes beyond its end, and none but the newest stops before it."""
    asked = {made.answer.members["job"]: made.write for made in ledger.acknowledged() if made.write.verb == "fit"}
    unnamed = sum(write.verb == "fit" for write in ledger.pending())
    done: dict[str, int] = {}
    for row in rows:
        if row.verb != "fit":
            continue
        job, first, steps = (row.hyperparameters[name] for name in ("job", "done", "steps"))
        where = f"version {row.version} is of steps {first} to {first + steps} of job {job}"
        demand(first == done.get(job, 0), STEPS, f"{where}, but {done.get(job, 0)} were done before")
        demand(job not in asked or first + steps <= asked[job].steps, STEPS, f"{where}, which has {asked.get(job)}")
        done[job] = first + steps
    strangers = done.keys() - asked.keys()
    demand(len(strangers) <= unnamed, "a key is applied once", f"jobs {strangers} were told to nobody")
    for job, write in asked.items():
        ended = ledger.losses(job) is not None
        demand(not ended or done.get(job) == write.steps, STEPS, f"job {job} ended after {done.get(job)} steps")
