"""A place where bytes of strangers enter, and what may come of them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import orjson

from convserve_service.errors import answer
from tests.crash.promises import demand

Case = tuple[bytes, ...]
TAKEN = "taken"
LONGEST = 1000  # characters of an error
VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|\[.*\]|[0-9,.]+")


def nothing() -> None:
    """There is nothing to close."""


@dataclass(frozen=True)
class Door:
    """`ask` says in a few words what came of a case, the same ones for the same mistake; what it raises is a finding.

    `seeds` are taken, what `change` makes of them may be. No case may need more than `peak` bytes for itself.
    """

    seeds: Sequence[Case]
    change: Callable[[Random, Case], Case]
    ask: Callable[[Case], str]
    peak: int
    close: Callable[[], None] = nothing


def taken(*kinds: object) -> str:
    """What came of a case that was accepted."""
    return " ".join([TAKEN, *map(str, kinds)])


def refused(error: Exception) -> str:
    """What came of one that was not: BrokenPromise unless the service answers a 4xx with a sentence."""
    reply = answer(error)
    said = orjson.loads(reply.data)["error"]
    demand(400 <= reply.status_code < 500, "what strangers do wrong is a 4xx", f"{reply.status_code} {said[:LONGEST]}")
    demand(0 < len(said) < LONGEST, "an error is a sentence", said[: 2 * LONGEST])
    return f"{type(error).__name__} {VARIABLE.sub('', said)[:60]}"
