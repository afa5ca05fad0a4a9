"""Readers: what they see is whole, and never older than what anybody was told before they asked."""

import hashlib
import time
from random import Random

from tests.crash.caller import Caller
from tests.crash.history import Row, parse_rows
from tests.crash.ledger import Ledger, Read
from tests.crash.messages import Answer
from tests.crash.promises import demand
from tests.crash.subjects import Body, Subject

VERBS = ("infer", "weights", "gradients", "versions")
NEWEST = 10  # rows of GET versions
PAUSE_SECONDS = 0.01
OLDER = "no read is of a version older than one that anybody was told of before it was sent"


class Reader:
    """Reads the head of any model with any of the verbs."""

    def __init__(self, subjects: list[Subject], ledger: Ledger, random: Random) -> None:
        self._subjects = subjects
        self._ledger = ledger
        self._random = random

    def read(self, caller: Caller) -> None:
        """One request, judged and noted."""
        subject, verb = self._random.choice(self._subjects), self._random.choice(VERBS)
        sample = self._random.randrange(len(subject.infer))
        floor = self._ledger.floor(subject.name)
        answer = ask(caller, subject, verb, sample)
        if answer is None or answer.status == 503:
            self._ledger.count("reads broken" if answer is None else "reads refused (503)")
            time.sleep(PAUSE_SECONDS)
            return
        where = f"GET {verb} of {subject.name}"
        demand(answer.status == 200, "the head can be read at any time", f"{where}: {answer}")
        if verb == "versions":
            self._judge_rows(subject.name, parse_rows(answer.members), floor)
            return
        demand(answer.version >= floor, OLDER, f"{where}: version {answer.version} after {floor}")
        found = fingerprint(answer)
        if verb == "weights":
            demand(
                answer.etag == f'"{found}"', "the ETag is the digest of the bytes", f"{where}: {answer.etag}, {found}"
            )
        self._ledger.read(Read(subject.name, answer.version, verb, sample if verb != "weights" else 0), found, answer)

    def _judge_rows(self, model: str, rows: list[Row], floor: int) -> None:
        numbers = [row.version for row in rows]
        demand(numbers[0] >= floor, OLDER, f"GET versions of {model}: {numbers[0]} after {floor}")
        expected = list(range(numbers[0], max(0, numbers[0] - NEWEST), -1))
        demand(numbers == expected, "versions have no gaps", f"{model}: {numbers}")
        self._ledger.raise_floor(model, numbers[0])
        self._ledger.count("read versions")


def ask(caller: Caller, subject: Subject, verb: str, sample: int, version: int | None = None) -> Answer | None:
    """One of the readers' requests, of the head or of a version."""
    at = f"/v2/models/{subject.name}" + ("" if version is None else f"/versions/{version}")
    if verb == "versions":
        return caller.send("GET", f"{at}/versions?limit={NEWEST}")
    if verb == "weights":
        return caller.send("GET", f"{at}/weights")
    body: Body = getattr(subject, verb)[sample]
    headers = {"Inference-Header-Content-Length": body.header_length or ""}
    return caller.send("POST", f"{at}/{verb}", body.data, headers)


def fingerprint(answer: Answer) -> str:
    """`sha256:<hex>` of the body."""
    return f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
