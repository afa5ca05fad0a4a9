"""Checks that ask the service again: states, predictions and replies are to the byte what they were."""

from collections.abc import Iterable, Mapping, Sequence

from tests.crash.caller import Caller
from tests.crash.history import Row
from tests.crash.ledger import Acknowledged, Read
from tests.crash.promises import demand
from tests.crash.readers import ask, fingerprint
from tests.crash.subjects import FITTED, Subject

STATE = "the state of an available version is there, whole"
REPLY = "a repeat gets the same reply to the byte"
WHOLE = "what readers saw was one whole version"


def check_states(caller: Caller, subject: Subject, rows: Iterable[Row]) -> None:
    """GET weights of versions gives the bytes that were acknowledged; what was collected meanwhile is 410."""
    for row in rows:
        answer = ask(caller, subject, "weights", 0, row.version)
        if answer is not None and answer.status == 410 and subject.name == FITTED:
            continue
        where = f"{subject.name} version {row.version}"
        demand(answer is not None and answer.status == 200, STATE, f"{where}: {answer}")
        assert answer is not None
        demand(
            fingerprint(answer) == row.weights_digest,
            STATE,
            f"{where}: {fingerprint(answer)}, not {row.weights_digest}",
        )


def check_replies(caller: Caller, sample: Iterable[Acknowledged]) -> None:
    """Old keys."""
    for made in sample:
        again = caller.write(made.write)
        demand(again == made.answer, REPLY, f"{made.write}: {again}\n  first: {made.answer}")


def check_reads(
    caller: Caller, subjects: Mapping[str, Subject], rows: Mapping[str, Sequence[Row]], sample: Mapping[Read, str]
) -> None:
    """What readers got of the head is what asking for that version by its number gives."""
    for read, digest in sample.items():
        if not rows[read.model][read.version - 1].available:
            continue
        again = ask(caller, subjects[read.model], read.verb, read.sample, read.version)
        if again is not None and again.status == 410 and read.model == FITTED:
            continue
        seen = f"{read} had {digest}; asked again: {again}"
        demand(again is not None and fingerprint(again) == digest, WHOLE, seen)


def check_data(caller: Caller, stored: Iterable[Acknowledged]) -> None:
    """Data sets are the bytes that were put, under the digest that was acknowledged."""
    for made in stored:
        answer = caller.get(made.write.path)
        told = made.answer.members["digest"]
        whole = answer.content == made.write.body and fingerprint(answer) == told and answer.etag == f'"{told}"'
        demand(whole, "a data set is there, whole", f"{made.write}: {answer}, etag {answer.etag}, not {told}")
