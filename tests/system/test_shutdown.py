"""How the service comes and goes: readiness fails first, nothing in flight is lost, and no process is left behind."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from tests.processes import children, command_name, descendants, running, workers
from tests.servers import address, environment, launch, serving
from tests.service.calls import batch, call
from tests.service.specs import SIMPLE_CNN

INFER = {"inputs": batch()["inputs"][:1]}


def test_readiness_fails_before_the_service_stops(tmp_path: Path) -> None:
    """While it drains it says 503 with a reason, is live, and still predicts and trains."""
    with serving(tmp_path, "--drain-seconds", "3") as server:
        model = f"{server.url}/v2/models/m"
        call("PUT", model, SIMPLE_CNN)
        server.process.terminate()
        until = time.monotonic() + 1
        while (ready := call("GET", f"{server.url}/v2/health/ready")).status_code == 200:
            assert time.monotonic() < until
        assert ready.status_code == 503
        assert ready.json() == {"ready": False, "reason": "the server is stopping"}
        assert call("GET", f"{server.url}/v2/health/live").json() == {"live": True}
        assert call("POST", f"{model}/infer", INFER).status_code == 200
        assert call("POST", f"{model}/train", batch()).status_code == 200
        assert server.process.wait(10) == 0


def test_a_request_in_flight_finishes(tmp_path: Path) -> None:
    """A train request of about two seconds gets its 200, and its version is there afterwards."""
    replies: list[requests.Response] = []
    with serving(tmp_path) as server:
        model = f"{server.url}/v2/models/m"
        call("PUT", model, SIMPLE_CNN)
        body = batch(64, epochs=200, batch_size=8)
        thread = threading.Thread(target=lambda: replies.append(call("POST", f"{model}/train", body)))
        thread.start()
        time.sleep(0.4)
        server.process.terminate()
        thread.join()
        assert server.process.wait(10) == 0
    assert replies[0].status_code == 200
    with serving(tmp_path) as again:
        assert call("GET", f"{again.url}/v2/models/m").headers["Convserve-Model-Version"] == "2"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_all_processes_end_with_the_first(tmp_path: Path, number: signal.Signals) -> None:
    """Whatever ends `serve` alone: within a second of its end its children and theirs are gone."""
    with serving(tmp_path, "--workers", "2") as server:
        workers(server.process.pid, 2)
        family = descendants(server.process.pid)
        assert len(family) == 4
        os.kill(server.process.pid, number)
        server.process.wait(10)
        end = time.monotonic() + 1
        while any(map(running, family)):
            assert time.monotonic() < end, [pid for pid in family if running(pid)]
            time.sleep(0.01)


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    """The other one answers meanwhile; what it knew is in the store."""
    with serving(tmp_path, "--workers", "2") as server:
        model = f"{server.url}/v2/models/m"
        call("PUT", model, SIMPLE_CNN)
        victim, other = workers(server.process.pid, 2)
        os.kill(victim, signal.SIGKILL)
        while running(victim):
            time.sleep(0.01)
        assert other in workers(server.process.pid, 2)
        for _ in range(8):
            assert call("POST", f"{model}/infer", INFER).status_code == 200


def test_a_new_server_waits_for_the_last_process_of_the_old(tmp_path: Path) -> None:
    """Started while the old one still finishes a request, it begins as soon as that is done."""
    with serving(tmp_path) as old:
        model = f"{old.url}/v2/models/m"
        call("PUT", model, SIMPLE_CNN)
        body = batch(64, epochs=200, batch_size=8)
        thread = threading.Thread(target=call, args=("POST", f"{model}/train", body))
        thread.start()
        time.sleep(0.3)
        old.process.terminate()
        with serving(tmp_path) as new:
            assert old.process.poll() == 0
            assert call("GET", f"{new.url}/v2/models/m").headers["Convserve-Model-Version"] == "2"
        thread.join()


@pytest.mark.parametrize("seconds", [0.2, 0.3, 0.4, 0.5])
def test_a_signal_while_it_starts_stops_it(tmp_path: Path, seconds: float) -> None:
    """Its status is 0, or that of the signal where it came before anything was begun; nothing is left."""
    process = launch(tmp_path)
    time.sleep(seconds)
    process.terminate()
    assert process.wait(10) in (0, -signal.SIGTERM)
    assert process.stdout is not None
    process.stdout.close()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    """A catalog that turns bad is told on standard error by the process of the jobs, and survived by the others."""
    log = tmp_path / "log"
    with log.open("w") as file:
        process = launch(tmp_path / "data", log=file)
        url = address(process)
        jobs = next(pid for pid in children(process.pid) if command_name(pid) == "convserve-jobs")
        with sqlite3.connect(tmp_path / "data" / "catalog.sqlite") as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        os.kill(jobs, signal.SIGKILL)
        end = time.monotonic() + 10
        while "format 99" not in log.read_text():
            assert time.monotonic() < end
            time.sleep(0.05)
        assert call("GET", f"{url}/v2/health/live").status_code == 200
        process.terminate()
        assert process.wait(10) == 0
        assert process.stdout is not None
        process.stdout.close()


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    """The second service ends with a status that is not 0."""
    with serving(tmp_path / "a") as server:
        port = server.url.rsplit(":", 1)[1]
        command = [sys.executable, "-m", "convserve_service", "serve", "--port", port]
        done = subprocess.run(
            [*command, "--data-dir", str(tmp_path / "b")], env=environment(), capture_output=True, text=True, timeout=60
        )
        assert done.returncode != 0
        assert "in use" in done.stderr
