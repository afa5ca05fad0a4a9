"""The benchmarks as programs: they end well and print their tables; no time is looked at here."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.engine.agreement import disagreements
from bench.service.loads import missing
from tests.servers import ROOT, environment

TRAINING = ["--rounds", "2", "--warm-up", "1"]
ISOLATION = [
    "--rounds", "1", "--requests", "20", "--writer-rounds", "1", "--writer-seconds", "0.5", "--starts", "1",
    "--versions", "200",
]  # fmt: skip
ENGINE = [
    "--sides", "ours", "--networks", "lenet5", "--batches", "1,2", "--threads", "1", "--rounds", "2",
    "--seconds", "0.1",
]  # fmt: skip
FOOTPRINT = ["--here", "--starts", "1"]
SERVICE = [
    "--here", "--sides", "ours", "--connections", "2", "--rounds", "1", "--seconds", "1", "--training-rounds", "1",
]  # fmt: skip
MOMENTS = ["start to first prediction", "worker, after the first prediction", "all processes, after ten steps"]
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
    "bench.engine": (
        ENGINE,
        ["a training step", "inference", "of GEMM peak", "lenet5, 2", "peak memory of ten training steps"],
    ),
    "bench.roofline": (["--seconds", "0.001"], ["matrix product", "a pass", "a gather", "a call"]),
    "bench.footprint": ([*FOOTPRINT, "--ours-only"], ["installed packages", *MOMENTS]),
    "bench.service": (
        SERVICE,
        ["all replies are the same", "JSON, 2 connections", "binary, 2 connections", "the constant rate",
         "while a job trains", "goal: p99 of predictions while a job trains"],
    ),
}  # fmt: skip
BESIDE_PYTORCH = {
    "bench.engine": (
        ["--smoke", "--sides", "ours,pytorch", "--networks", "lenet5"],
        ["ours  PyTorch", "all sides gave the same results"],
    ),
    "bench.footprint": (
        FOOTPRINT,
        ["ours / PyTorch", "goal: installed size", "goal: start to first", "goal: resident memory"],
    ),
}
SAVING = {"bench.engine": "timed", "bench.footprint": "visits", "bench.service": "cells"}


@pytest.mark.xdist_group("bench")
@pytest.mark.parametrize("module", RUNS)
def test_it_ends_well(module: str, tmp_path: Path) -> None:
    """Whatever the figures are, every table and every goal is there, and nothing is left on the disk."""
    if module == "bench.service" and (absent := missing()):
        pytest.skip(f"the load needs {' and '.join(absent)}: apt-get install them")
    check(module, *RUNS[module], tmp_path)


@pytest.mark.oracle
@pytest.mark.parametrize("module", BESIDE_PYTORCH)
def test_it_ends_well_beside_pytorch(module: str, tmp_path: Path) -> None:
    """Both sides give the same answers, and are compared."""
    check(module, *BESIDE_PYTORCH[module], tmp_path)


def check(module: str, options: list[str], expected: list[str], tmp_path: Path) -> None:
    data, saved = tmp_path / "data", tmp_path / "saved.json"
    data.mkdir()
    save = ["--json", str(saved)] if module in SAVING else []
    command = [sys.executable, "-W", "error", "-m", module, *options, "--data-dir", str(data), *save]
    done = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert [text for text in expected if text not in done.stdout] == []
    assert list(data.iterdir()) == []
    if save:
        assert json.loads(saved.read_text())[SAVING[module]]


@pytest.mark.parametrize(
    ("array", "told"), [([1.0, 2.0], 0), ([1.0, 2.0001], 0), ([1.0, 2.01], 1), ([1.0, np.nan], 1), ([1.0, np.inf], 1)]
)
@pytest.mark.parametrize("name", ["logits", "fc.weight"])
def test_sides_that_differ_are_told_of(name: str, array: list[float], told: int) -> None:
    """Within the tolerance they agree; beyond it, and where one is not finite, the cell fails."""
    answers = {"reference": {name: np.array([1.0, 2.0])}, "other": {name: np.array(array)}}
    assert len(disagreements(answers, "reference")) == told
