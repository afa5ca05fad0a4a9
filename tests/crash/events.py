"""The Server-Sent Events of a job: everything that it told, from its start."""

import json

from tests.crash.caller import Caller
from tests.crash.promises import demand


def losses(caller: Caller, job: str) -> list[float] | None:
    """The loss of each step of a job that has ended, in order; None where the connection broke."""
    answer = caller.send("GET", f"/v2/jobs/{job}/events")
    if answer is None or answer.status == 503:
        return None
    demand(answer.status == 200, "what a job told can be read again", f"job {job}: {answer}")
    lines = answer.content.decode().splitlines()
    ids = [int(line.removeprefix("id:")) for line in lines if line.startswith("id:")]
    demand(ids == sorted(set(ids)), "each event of a job has an id, in order", f"job {job}: {ids}")
    told = [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]
    return [loss for event in told for loss in event.get("losses", ())]
