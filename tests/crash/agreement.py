"""A history against what its clients were told: nothing acknowledged is missing, nothing is there twice."""

from collections import Counter
from collections.abc import Mapping, Sequence

from tests.crash.history import Row
from tests.crash.ledger import Acknowledged, Ledger
from tests.crash.promises import BrokenPromise, demand

DURABLE = "what was acknowledged is there"
ONCE = "each key is applied once"
WHOLE = "what readers saw was one whole version"


def check_acknowledged(model: str, rows: Sequence[Row], ledger: Ledger) -> int:
    """Each acknowledged version as it was told; returns how many versions nobody has been told of yet."""
    floor, owners = ledger.floor(model), ledger.owners(model)
    newest = max([floor, *owners])
    demand(len(rows) >= newest, DURABLE, f"{model} ends at {len(rows)}, but somebody was told of version {newest}")
    for version, made in owners.items():
        _check_version(rows[version - 1], made)
    unclaimed = Counter(row.verb for row in rows if row.version not in owners and row.verb != "fit")
    pending = Counter(write.verb for write in ledger.pending() if write.model == model and write.makes_version)
    demand(
        unclaimed <= pending, ONCE, f"{model} has {unclaimed} that no reply told of, but only {pending} wait for one"
    )
    return unclaimed.total()


def check_aliases(model: str, rows: Sequence[Row], ledger: Ledger) -> None:
    """Each alias means what its last reply said; while a write of it waits for its reply, it may be either."""
    found = {alias: str(row.version) for row in rows for alias in row.aliases}
    waiting = {write.alias for write in ledger.pending() if write.model == model}
    told = {alias: target for alias, target in ledger.aliases(model).items() if target is not None}
    for alias in (found.keys() | told.keys()) - waiting:
        seen = f"{alias} of {model} is {found.get(alias)}, but was said to be {told.get(alias)}"
        demand(found.get(alias) == told.get(alias), DURABLE, seen)


def check_weights_seen(rows: Mapping[str, Sequence[Row]], ledger: Ledger) -> None:
    """The bytes that readers got hash to what the history tells of the version that they were said to be."""
    for read, digest in ledger.reads().items():
        history = rows[read.model]
        demand(read.version <= len(history), DURABLE, f"{read} was seen, but {read.model} ends at {len(history)}")
        if read.verb == "weights":
            told = history[read.version - 1].weights_digest
            demand(digest == told, WHOLE, f"{read} had {digest}, but the history says {told}")


def check_same(model: str, before: Sequence[Row], now: Sequence[Row]) -> None:
    """Rows stay as they are; a state that is gone does not come back."""
    demand(len(now) >= len(before), DURABLE, f"{model} had {len(before)} versions and has {len(now)}")
    for old, new in zip(before, now, strict=False):
        if old.lasting != new.lasting or new.available > old.available:
            raise BrokenPromise("a version never changes", f"{model}: {new} was {old}")


def _check_version(row: Row, made: Acknowledged) -> None:
    write, told = made.write, made.answer.members
    expected = (write.verb, told["step"], told["digest"], told["weights_digest"])
    found = (row.verb, row.step, row.digest, row.weights_digest)
    demand(found == expected, DURABLE, f"{write.model} version {row.version} is {found}, acknowledged was {expected}")
    steps = told.get("steps", 0)
    demand(steps == write.steps, ONCE, f"{write} asked for {write.steps} steps and was told of {steps}")
    parts = row.hyperparameters
    if write.verb == "rollback":
        demand(
            parts["version"] == write.target, DURABLE, f"{write} went back to {write.target}, the history says {parts}"
        )
    if "If-Match" in write.options:
        demand(write.options["If-Match"] == f'"{row.parent}"', "If-Match is kept", f"{write}: {write.options}, {row}")
