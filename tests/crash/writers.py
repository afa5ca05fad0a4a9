"""Writers: each repeats a write with its key until it has a reply, as every careful client does."""

import json
import time
import uuid
from random import Random

from tests.crash.caller import Caller
from tests.crash.gate import Gate
from tests.crash.ledger import Ledger
from tests.crash.messages import Answer, Write
from tests.crash.promises import demand
from tests.crash.subjects import Body, Subject

VERBS = {"train": 45, "step": 20, "weights": 10, "rollback": 10, "alias": 10, "unalias": 5}
METHODS = {"weights": "PUT", "alias": "PUT", "unalias": "DELETE"}
MATCHED = 0.2  # of the writes carry If-Match
NEAR = 20  # a rollback goes back at most so far
PAUSE_SECONDS = 0.02  # before a repeat
REFUSALS = {"rollback": {410}, "alias": {410}, "unalias": {404}}  # its version was collected, its alias was not there


class Writer:
    """Has an alias of its own on each model, and shares all else."""

    def __init__(self, name: str, subjects: list[Subject], ledger: Ledger, random: Random) -> None:
        self._name = name
        self._subjects = subjects
        self._ledger = ledger
        self._random = random

    def next(self) -> Write:
        """Any verb on any model."""
        subject = self._random.choice(self._subjects)
        (verb,) = self._random.choices(list(VERBS), list(VERBS.values()))
        head = self._ledger.floor(subject.name)
        alias = target = None
        if verb in ("alias", "unalias"):
            path, body, alias = f"aliases/{self._name}", Body(b""), self._name
        else:
            path, body = verb, Body(b"")
        if verb in ("rollback", "alias"):
            target = str(self._random.randint(max(1, head - NEAR), head))
            body = Body(json.dumps({"version": target}).encode())
        elif verb in ("train", "step", "weights"):
            body = self._random.choice(getattr(subject, verb))
        options = {} if body.header_length is None else {"Inference-Header-Content-Length": body.header_length}
        if self._random.random() < MATCHED:
            options["If-Match"] = f'"{head}"'
        return Write(
            uuid.UUID(int=self._random.getrandbits(128)).hex, verb, subject.name, METHODS.get(verb, "POST"),
            f"/v2/models/{subject.name}/{path}", body.data, options, body.steps, alias, target,
        )  # fmt: skip


def settle(write: Write, caller: Caller, gate: Gate, ledger: Ledger) -> Answer:
    """Send it until there is a reply that says what became of it."""
    ledger.begin(write)
    while True:
        with gate.passing():
            answer = caller.write(write)
            if answer is not None and _final(answer):
                demand(answer.status in _expected(write), "a valid write is applied or waits", f"{write}: {answer}")
                ledger.settle(write, answer)
                return answer
            ledger.count("connections broken" if answer is None else f"told to repeat ({answer.status})")
        time.sleep(PAUSE_SECONDS)


def _final(answer: Answer) -> bool:
    return answer.status != 503 and not (answer.status == 409 and answer.members["code"] == "key_in_flight")


def _expected(write: Write) -> set[int]:
    matched = {412} if "If-Match" in write.options else set()
    return {200, 201, 202} | matched | REFUSALS.get(write.verb, set())
