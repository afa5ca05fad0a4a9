"""The benchmarks as programs: they end well and print their tables; no time is looked at here."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT, environment

TRAINING = ["--rounds", "2", "--warm-up", "1"]
ISOLATION = [
    "--rounds", "1", "--requests", "20", "--writer-rounds", "1", "--writer-seconds", "0.5", "--starts", "1",
    "--versions", "200",
]  # fmt: skip
RUNS = {
    "bench.training": (
        TRAINING,
        ["one step, in process", "one step, over HTTP", "ten steps, in process", "ten steps, over HTTP", "commit alone",
         "the digests at the end are equal", "goal: one step", "goal: ten steps"],
    ),
    "bench.isolation": (
        ISOLATION,
        ["of 32 writers waited", "goal: loaded p99", "commits/s", "goal: the most commits", "200 versions",
         "goal: first ready", "goal: 200 versions add", "smallest share", "goal: no worker gets less"],
    ),
}  # fmt: skip


@pytest.mark.xdist_group("bench")
@pytest.mark.parametrize("module", RUNS)
def test_it_ends_well(module: str, tmp_path: Path) -> None:
    """Whatever the figures are, every table and every goal is there, and nothing is left on the disk."""
    options, expected = RUNS[module]
    command = [sys.executable, "-W", "error", "-m", module, *options, "--data-dir", str(tmp_path)]
    done = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert [text for text in expected if text not in done.stdout] == []
    assert list(tmp_path.iterdir()) == []
