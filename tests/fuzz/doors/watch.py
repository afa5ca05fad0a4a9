"""The doors one after the other, each in a process whose end, time and memory are watched from outside."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from tests.crash.promises import BrokenPromise, demand
from tests.fuzz.budget import Budget
from tests.fuzz.doors.case import shown, to_text, unpack
from tests.fuzz.doors.table import DOORS
from tests.servers import ROOT, environment
from tests.soak.growth import Growth

SAMPLE_SECONDS = 0.1
WARM_SECONDS = 15.0  # until then a process grows by what it imports and caches
TOLD = 4000  # characters


def run(folder: Path, budget: Budget, say: Callable[[str], object], *, names: Sequence[str] = tuple(DOORS)) -> None:
    """The time is shared among the doors; BrokenPromise at the first case that is not answered as it must be."""
    for name in names:
        seen = attack(name, folder, Budget(budget.cases, budget.minutes / len(names), budget.seed))
        say(
            f"{name}: {seen['cases']:,} cases without a failure, {seen['taken']:,} of them taken;"
            f" {seen['outcomes']} kinds of answers, the slowest after {seen['slowest']:.2f} s,"
            f" {seen['peak'] >> 20} MiB more at most"
        )


def attack(name: str, folder: Path, budget: Budget) -> dict[str, Any]:
    """What the process of one door says at its end."""
    last, errors = folder / f"{name}.last", folder / f"{name}.errors"
    options = ["--cases", budget.cases, "--seconds", 60 * budget.minutes, "--seed", budget.seed, "--last", last]
    command = [sys.executable, "-m", "tests.fuzz.doors", name, *map(str, options)]
    with errors.open("w") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=file, text=True, start_new_session=True
        )
    growth, warm = Growth(process.pid), monotonic() + WARM_SECONDS
    try:
        while True:
            try:
                output, _ = process.communicate(timeout=SAMPLE_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if monotonic() > warm:
                    growth.sample()
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        case = unpack(last.read_bytes()) if last.exists() else ()
        again = f"python -m tests.fuzz.doors {name} --case {to_text(case)}"
        raise BrokenPromise(
            f"{name} answers whatever it gets",
            f"status {process.returncode} after {shown(case)}\n{errors.read_text()[-TOLD:]}\nagain: {again}",
        )
    if 60 * budget.minutes >= 2 * WARM_SECONDS:
        demand(not growth.grown(), f"{name} keeps nothing of what it got", "; ".join(growth.grown()))
    seen: dict[str, Any] = json.loads(output)
    return seen
