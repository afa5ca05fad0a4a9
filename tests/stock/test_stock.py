"""Unmodified clients of others against a service with two workers: every cell of the table."""

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import safetensors.numpy

from tests.pages import block
from tests.servers import ROOT, serving
from tests.service.calls import batch, call
from tests.service.specs import SIMPLE_CNN
from tests.stock.oracle import simple_cnn
from tests.stock.table import CLIENTS, LABELS, TABLE, Check, Truth

pytestmark = pytest.mark.stock
FOLDER = Path(__file__).parent / "clients"
X = np.random.default_rng(7).standard_normal((3, 1, 4, 4)).round(3).astype(np.float32)
CELLS = [(client, name, check) for name, clients, check in TABLE for client in clients]


def program(environment: str, name: str) -> str:
    """A program of an environment that `make stock` made."""
    path = ROOT / ".venv-stock" / environment / "bin" / name
    assert path.exists(), f"there is no {path}; run make stock"
    return str(path)


def plain() -> dict[str, str]:
    """Nothing of this program's environment."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CONVSERVE_"))}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service with two workers."""
    with serving(tmp_path_factory.mktemp("stock"), "--workers", "2") as running:
        yield running.url


def made(url: str, name: str) -> Truth:
    """A model of two versions, and what the oracle makes of their weights."""
    model = f"{url}/v2/models/{name}"
    call("PUT", model, {**SIMPLE_CNN, "labels": LABELS, "seed": 3}).raise_for_status()
    call("POST", f"{model}/train", batch(4, optimizer={"learning_rate": 1.0})).raise_for_status()
    call("PUT", f"{model}/aliases/first", {"version": "1"}).raise_for_status()
    weights = {
        version: safetensors.numpy.load(requests.get(f"{model}/versions/{version}/weights", timeout=30).content)
        for version in ("1", "2")
    }
    outputs = {version: simple_cnn(weights[version], X) for version in weights}
    return Truth(name, outputs, simple_cnn(weights["2"], (X > 0) / 255)["logits"])


@pytest.fixture(scope="module")
def ran(service: str) -> Any:
    """(what a client's program printed, what is true), each program run once."""

    @cache
    def run(client: str) -> tuple[dict[str, Any], Truth]:
        file, environment, arguments = CLIENTS[client]
        truth = made(service, f"for-{client}")
        command = [program(environment, "python"), str(FOLDER / file), service.removeprefix("http://"), truth.name]
        done = subprocess.run(
            [*command, json.dumps(X.tolist()), *arguments],
            capture_output=True, text=True, timeout=300, env=plain(), cwd=FOLDER,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1]), truth

    return run


@pytest.mark.parametrize(("client", "name", "check"), CELLS, ids=[f"{client}-{name}" for client, name, _ in CELLS])
def test_a_stock_client_works(ran: Any, client: str, name: str, check: Check) -> None:
    """What the client makes of the reply is what the oracle computes, or its own error with our words."""
    found, truth = ran(client)
    check(found[name], truth)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_call_of_a_program_is_in_the_table(ran: Any, client: str) -> None:
    """And the other way round."""
    assert set(ran(client)[0]) == {name for name, clients, _ in TABLE if client in clients}


def test_versions_differ(service: str) -> None:
    """So that an answer of the wrong one would show."""
    outputs = made(service, "two-versions").outputs
    assert np.abs(outputs["1"]["logits"] - outputs["2"]["logits"]).max() > 1e-3


def test_the_readmes_snippet_runs(service: str) -> None:
    """Word by word, where a model `digits` is."""
    spec = {"architecture": {"input": [1, 28, 28], "layers": [{"type": "flatten"}]}}
    call("PUT", f"{service}/v2/models/digits", spec).raise_for_status()
    script = block("python", "tritonclient").replace("127.0.0.1:8000", service.removeprefix("http://"))
    done = subprocess.run(
        [program("triton", "python"), "-c", script], capture_output=True, text=True, timeout=60, env=plain()
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 (1, 784)")


def test_perf_analyzer_measures(service: str, tmp_path: Path) -> None:
    """Triton's load generator for a moment: it finds the model's form, and its server side is our statistics."""
    binary = program("perf", "perf_analyzer")
    libraries = ROOT.glob(".venv-stock/perf/lib/python*/site-packages/nvidia/cuda_runtime/lib")
    env = {**plain(), "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries))}
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, env=env, timeout=30)
    if "libb64" in version.stderr:
        pytest.skip("perf_analyzer needs the library libb64, in Debian's package libb64-0d")
    model = made(service, "for-perf")
    measured = ["--measurement-mode", "count_windows", "--measurement-request-count", "20", "-s", "999", "-r", "3"]
    command = [binary, "-m", model.name, "-u", service.removeprefix("http://"), "-i", "http", "-b", "2", *measured]
    report = tmp_path / "report.csv"
    done = subprocess.run([*command, "-f", str(report)], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    names, values = (line.split(",") for line in report.read_text().splitlines()[:2])
    row = dict(zip(names, values, strict=True))
    assert float(row["Inferences/Second"]) > 0
    assert float(row["Server Compute Infer"]) > 0
    (stats,) = call("GET", f"{service}/v2/models/{model.name}/versions/2/stats").json()["model_stats"]
    assert stats["inference_count"] == 2 * stats["execution_count"] >= 40
