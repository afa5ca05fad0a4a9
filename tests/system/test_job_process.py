"""Jobs go on after a crash or a restart from their last commit, and end with the bits of a run without one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import children, command_name
from tests.servers import Server, environment, serving
from tests.service.calls import call
from tests.service.specs import trained_with
from tests.service.stored import ended, file, train_body

SPEC = trained_with(optimizer={"name": "adam", "learning_rate": 0.01})
OPTIONS = {"epochs": 60, "batch_size": 4, "shuffle_seed": 3}


def begin(server: str) -> str:
    """A model, a dataset, and a job of 600 steps that commits every ten; its number, when it has committed."""
    call("PUT", f"{server}/v2/models/m", SPEC).raise_for_status()
    call("PUT", f"{server}/v2/datasets/d", file()).raise_for_status()
    fit = {"dataset": "d", "commit_every": 10, **OPTIONS}
    job: str = call("POST", f"{server}/v2/models/m/fit", fit).json()["job"]
    while not call("GET", f"{server}/v2/jobs/{job}").json()["step"]:
        time.sleep(0.005)
    return job


def check(server: str, job: str) -> None:
    """The job ends well, with the same digest as one request that trains on the same rows."""
    found = ended(server, job)
    assert (found["state"], found["step"]) == ("succeeded", 600)
    call("PUT", f"{server}/v2/models/t", SPEC)
    trained = call("POST", f"{server}/v2/models/t/train", train_body(**OPTIONS)).json()
    assert call("GET", f"{server}/v2/models/m/versions").json()["versions"][0]["digest"] == trained["digest"]


def job_process(server: Server) -> int:
    return next(pid for pid in children(server.process.pid) if command_name(pid) == "convserve-jobs")


def test_a_killed_job_process_is_begun_anew(tmp_path: Path) -> None:
    """Three times in the middle of the job; the service goes on meanwhile."""
    with serving(tmp_path) as running:
        job = begin(running.url)
        killed = set()
        while len(killed) < 3:
            pid = next((pid for pid in children(running.process.pid) if command_name(pid) == "convserve-jobs"), 0)
            if pid and pid not in killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            assert call("GET", f"{running.url}/v2/health/ready").status_code == 200
        check(running.url, job)


def everything(server: Server) -> None:
    os.killpg(server.process.pid, signal.SIGKILL)


def politely(server: Server) -> None:
    server.process.terminate()


@pytest.mark.parametrize("stop", [everything, politely], ids=["SIGKILL", "SIGTERM"])
def test_a_job_survives_the_service(tmp_path: Path, stop: Callable[[Server], None]) -> None:
    """A new service on the data directory goes on with it by itself."""
    with serving(tmp_path) as first:
        job = begin(first.url)
        stop(first)
        first.process.wait(10)
    with serving(tmp_path) as second:
        assert call("GET", f"{second.url}/v2/jobs/{job}").json()["step"] < 600
        check(second.url, job)


def test_a_stopping_server_stops_a_job_at_a_commit(tmp_path: Path) -> None:
    """It does not wait for its end; what it had done is committed."""
    with serving(tmp_path) as first:
        call("PUT", f"{first.url}/v2/models/m", SPEC).raise_for_status()
        call("PUT", f"{first.url}/v2/datasets/d", file()).raise_for_status()
        fit = {"dataset": "d", "epochs": 100_000, "commit_every": 1_000_000}
        job = call("POST", f"{first.url}/v2/models/m/fit", fit).json()["job"]
        while call("GET", f"{first.url}/v2/jobs/{job}").json()["state"] != "running":
            time.sleep(0.01)
        started = time.monotonic()
        first.process.terminate()
        assert first.process.wait(10) == 0
        assert time.monotonic() - started < 3
    with serving(tmp_path) as second:
        call("POST", f"{second.url}/v2/jobs/{job}/cancel")
        found = ended(second.url, job)
        assert found["state"] == "cancelled"
        assert found["step"] == call("GET", f"{second.url}/v2/models/m/versions").json()["versions"][0]["step"]


def test_leaving_a_fit_leaves_the_job(tmp_path: Path) -> None:
    """Ctrl-C on `convserve fit` ends the watching with a word about the job, which goes on."""
    with serving(tmp_path / "data") as running:
        env = {**environment(), "CONVSERVE_URL": running.url}
        words = [sys.executable, "-m", "convserve_service"]
        subprocess.run([*words, "create", "net", "lenet5"], env=env, check=True, stdout=subprocess.DEVNULL)
        fit = subprocess.Popen([*words, "fit", "net", "--epochs", "500"], env=env, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 30
        while not (jobs := call("GET", f"{running.url}/v2/jobs").json()["jobs"]) or not jobs[0]["step"]:
            assert time.monotonic() < end
            time.sleep(0.05)
        fit.send_signal(signal.SIGINT)
        assert "the job goes on by itself" in fit.communicate(timeout=10)[1]
        assert call("GET", f"{running.url}/v2/jobs/1").json()["state"] == "running"
        call("POST", f"{running.url}/v2/jobs/1/cancel")
        ended(running.url, "1")
