"""Strangers who have read /openapi.json: schemathesis sends what it allows, and what it does not.

No 5xx; every status, media type, header and body is documented; what breaks the schema is refused; nobody waits long.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import monotonic

from tests.crash.promises import demand
from tests.fuzz.budget import Budget
from tests.fuzz.target import Target, attacked
from tests.servers import ROOT, environment

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@dataclass(frozen=True)
class Round:
    """What schemathesis does at a time: its phases, and how often each asks every operation."""

    phases: str = "examples,coverage,fuzzing,stateful"
    each: int = 10


WHOLE = Round()


def run(folder: Path, budget: Budget, say: Callable[[str], object], *, rounds: Round = WHOLE) -> None:
    """Rounds until the budget is spent, each with a seed of its own; BrokenPromise at the first failure."""
    end, cases = monotonic() + 60 * budget.minutes, 0
    with attacked(folder) as target:
        for number in count():
            cases += _round(folder, target, budget.seed + number, rounds)
            largest = max(target.memory().values()) >> 20
            say(f"openapi: {cases:,} cases without a failure; the largest process has {largest} MiB")
            if cases >= budget.cases and monotonic() > end:
                return
            target.prepare()


def _round(folder: Path, target: Target, seed: int, rounds: Round) -> int:
    """The number of cases."""
    report = folder / "report.json"
    how = ["--seed", seed, "--max-examples", rounds.each, "--phases", rounds.phases, "--report-json-path", report]
    schemathesis = ["-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    command = [*schemathesis, "--config-file", CONFIGURATION, "run", f"{target.url}/openapi.json", *how]
    env = {**environment(), "NO_COLOR": "1"}
    env["PYTHONPATH"] = f"{ROOT}:{env['PYTHONPATH']}"
    done = subprocess.run([sys.executable, *map(str, command)], cwd=folder, env=env, capture_output=True, text=True)
    demand(done.returncode == 0, "the service does what its OpenAPI document says", done.stdout + done.stderr)
    return int(json.loads(report.read_text())["test_cases"]["generated"])
