"""The job's owner: one fit after another on a model of their own, each held to what it said while it is killed."""

import json
import time
from random import Random
from typing import Any

import numpy as np
import safetensors.numpy

from tests.crash.caller import Caller
from tests.crash.events import losses
from tests.crash.gate import Gate
from tests.crash.ledger import Ledger
from tests.crash.messages import Answer, Write
from tests.crash.promises import demand
from tests.crash.subjects import FITTED, rows
from tests.crash.writers import settle

DATASET = "numbers"
ROWS = 100
BATCH = 8
COMMIT_EVERY = 10
POLL_SECONDS = 0.05
STEPS = "a job makes each of its steps once"


class Fitter:
    """Starts a fit, watches it to its end, starts the next."""

    def __init__(self, ledger: Ledger, gate: Gate, random: Random) -> None:
        self._ledger = ledger
        self._gate = gate
        self._random = random
        self._started = 0

    def run(self, caller: Caller) -> None:
        """One job."""
        self._started += 1
        write = fit(self._started, self._random)
        job = settle(write, caller, self._gate, self._ledger).members["job"]
        told = {"state": "queued", "step": 0, "model_version": "0"}
        while told["state"] != "succeeded":
            with self._gate.passing():
                answer = caller.send("GET", f"/v2/jobs/{job}")
            if answer is not None and answer.status != 503:
                told = _progress(told, answer)
            time.sleep(POLL_SECONDS)
        demand(told["step"] == write.steps, STEPS, f"{write}: {told}")
        while (found := self._losses(job, caller)) is None:
            time.sleep(POLL_SECONDS)
        demand(len(found) == write.steps, STEPS, f"{write}, of {write.steps} steps, told of {len(found)} losses")
        self._ledger.finish(job, found)

    def _losses(self, job: str, caller: Caller) -> list[float] | None:
        with self._gate.passing():
            return losses(caller, job)


def _progress(before: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """What the job says now, which goes on from what it said before."""
    demand(answer.status == 200, "a job that was acknowledged is there", f"{answer}")
    told = answer.members
    demand(told["state"] not in ("failed", "cancelled"), "a job that is killed goes on", f"{told}")
    kept = told["step"] >= before["step"] and int(told["model_version"] or 0) >= int(before["model_version"] or 0)
    demand(kept, "what a job committed is never lost", f"{told} after {before}")
    return told


def dataset() -> Write:
    """Random rows for the fitted model."""
    x, y = rows(FITTED, ROWS, np.random.default_rng(4))
    body = safetensors.numpy.save({"x": x, "y": y})
    return Write("dataset", "dataset", DATASET, "PUT", f"/v2/datasets/{DATASET}", body)


def fit(number: int, random: Random) -> Write:
    """Many epochs, in the order of the rows or in a random one, committed every few steps."""
    epochs = random.randint(20, 40)
    options = {
        "dataset": DATASET,
        "epochs": epochs,
        "batch_size": BATCH,
        "shuffle_seed": random.choice((None, number)),
        "commit_every": COMMIT_EVERY,
    }
    body = json.dumps(options).encode()
    steps = epochs * -(-ROWS // BATCH)
    return Write(f"fit-{number}", "fit", FITTED, "POST", f"/v2/models/{FITTED}/fit", body, steps=steps)
