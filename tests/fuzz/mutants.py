"""Bodies that are almost right: the examples of /openapi.json, with something changed in them.

They reach what strangers do not: a valid envelope with one wrong size, a network with one impossible layer. No 5xx;
every reply is one that the operation declares; nobody waits long; what was accepted is no NaN.
"""

import json
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from convserve_service.openapi.examples import EXAMPLES
from convserve_service.openapi.faults import faults
from convserve_wire.paths import fill
from tests.crash.promises import demand
from tests.fuzz.budget import Budget
from tests.fuzz.mutations import mutated, places
from tests.fuzz.target import Target, attacked
from tests.service.operations import OPERATIONS, conform

ROUND = 500
TIMEOUT = 30
MODEL, MADE = "tiny", "made"
PARTS = dict.fromkeys(("model", "alias"), "tiny")
HEADERS = {
    "If-Match": ["1", '"2"', "*", "", '"', "9" * 30],
    "Idempotency-Key": ["a", '"b"', "é".encode().decode("latin-1"), "a b", "k" * 256],
    "Content-Encoding": ["identity", "gzip", "br", ""],
    "Inference-Header-Content-Length": ["0", "1", "-1", "99999", "x", ""],
    "Accept-Encoding": ["gzip", "deflate", "br"],
}
ONE_HEADER = st.sampled_from([{name: value} for name, values in HEADERS.items() for value in values])
FEW = st.one_of(*[st.just({})] * 4, ONE_HEADER)


def run(folder: Path, budget: Budget, say: Callable[[str], object]) -> None:
    """Rounds until the budget is spent; BrokenPromise, or hypothesis's error, at the smallest body that breaks one."""
    end, done = monotonic() + 60 * budget.minutes, 0
    with attacked(folder) as target, requests.Session() as session:
        while done < budget.cases or monotonic() < end:
            statuses = _round(target, session, budget.seed + done, min(ROUND, max(1, budget.cases - done)))
            done += sum(statuses.values())
            _readable(target, session)
            say(f"mutants: {done:,} cases without a failure; {dict(sorted(statuses.items()))}")
            target.prepare()


def _round(target: Target, session: requests.Session, number: int, cases: int) -> dict[int, int]:
    """How many replies had which status."""
    statuses: dict[int, int] = {}

    @seed(number)
    @settings(max_examples=cases, deadline=None, database=None, phases=(Phase.generate, Phase.shrink),
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.sampled_from(sorted(EXAMPLES)).flatmap(_request), FEW)
    def attack(request: tuple[str, Any], headers: dict[str, str]) -> None:
        status = _send(target, session, *request, headers)
        statuses[status] = statuses.get(status, 0) + 1

    attack()
    return statuses


def _request(operation: str) -> st.SearchStrategy[tuple[str, Any]]:
    parts = [_at(example, place) for example in EXAMPLES.values() for place in places(example)]
    return st.tuples(st.just(operation), mutated(EXAMPLES[operation], parts))


def _send(target: Target, session: requests.Session, name: str, body: Any, headers: dict[str, str]) -> int:
    """Its status, when all that must hold of a reply does."""
    operation = OPERATIONS[name]
    path = target.url + fill(operation.path, **{**PARTS, "model": MADE if name == "create" else MODEL})
    sent = {"Content-Type": "application/json", **headers}
    data = json.dumps(body).encode()
    began = monotonic()
    reply = session.request(operation.method, path, data=data, headers=sent, timeout=TIMEOUT)
    told = f"{operation.method} {path} {headers} {data[:2000]!r}: {reply.status_code} {reply.text[:1000]}"
    demand(reply.status_code < 500, "no 5xx", told)
    demand(reply.status_code in {*operation.statuses, *faults(operation)}, "every status is declared", told)
    demand(monotonic() - began < TIMEOUT / 2, "nobody waits long", told)
    conform(operation, reply)
    if reply.status_code in (201, 202):  # undone, so that there is room for more
        job = reply.json().get("job")
        undo = ("POST", f"/v2/jobs/{job}/cancel") if job else ("DELETE", f"/v2/models/{MADE}")
        session.request(undo[0], target.url + undo[1], timeout=TIMEOUT)
    return reply.status_code


def _readable(target: Target, session: requests.Session) -> None:
    """What was accepted can be told."""
    for name in ("versions", "architecture", "jobs"):
        path = fill(OPERATIONS[name].path, model=MODEL)
        reply = session.get(f"{target.url}{path}", timeout=TIMEOUT)
        demand(reply.status_code == 200, "what was accepted can be told", f"{path}: {reply.text[:1000]}")
        conform(OPERATIONS[name], reply)


def _at(value: Any, place: tuple[str | int, ...]) -> Any:
    for key in place:
        value = value[key]
    return value
