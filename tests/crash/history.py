"""GET versions: the whole history of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.crash.caller import Caller
from tests.crash.promises import demand

PAGE = 1000


@dataclass(frozen=True)
class Row:
    """One version, as it stays for ever; `available` alone may change, from true to false."""

    version: int
    parent: int | None
    verb: str
    step: int
    digest: str
    weights_digest: str
    hyperparameters: Mapping[str, Any]
    aliases: tuple[str, ...]
    available: bool

    @property
    def lasting(self) -> tuple[Any, ...]:
        return (self.version, self.parent, self.verb, self.step, self.digest, self.weights_digest, self.hyperparameters)


def parse_rows(members: Mapping[str, Any]) -> list[Row]:
    """The rows of one reply, in its order."""
    return [
        Row(
            int(row["version"]),
            None if row["parent"] is None else int(row["parent"]),
            row["verb"],
            row["step"],
            row["digest"],
            row["weights_digest"],
            row["hyperparameters"],
            tuple(row["aliases"]),
            row["available"],
        )
        for row in members["versions"]
    ]


def fetch(caller: Caller, model: str) -> list[Row]:
    """The whole history, oldest first."""
    rows: list[Row] = []
    before = ""
    while not rows or rows[-1].version > 1:
        page = parse_rows(caller.get(f"/v2/models/{model}/versions?limit={PAGE}{before}").members)
        demand(bool(page), "versions have no gaps", f"{model}: none{before or ' at all'}")
        rows += page
        before = f"&before={page[-1].version}"
    return rows[::-1]
