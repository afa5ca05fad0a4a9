"""The service as a process: it starts, stops, refuses a data directory in use, and keeps what it acknowledged."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from convserve_client import Client
from tests.servers import environment, serving

X = np.random.default_rng(0).random((50, 1, 4, 4), dtype=np.float32)
Y = np.arange(50) % 2


def test_what_was_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    """Weights, history and optimizer state; what a crash left behind is swept."""
    with serving(tmp_path) as first:
        model = Client(first.url).create("m", "simple-cnn", training={"optimizer": {"name": "adam"}})
        made = model.train(X, Y, batch_size=10)
        before = model.infer(X)
        os.killpg(first.process.pid, signal.SIGKILL)
        first.process.wait()
    orphan = tmp_path / "blobs" / "left.safetensors"
    orphan.write_bytes(b"half a blob")
    with serving(tmp_path) as second:
        model = Client(second.url).model("m")
        assert np.array_equal(model.infer(X), before)
        assert model.versions()[0].digest == made.digest
        assert model.train(X, Y).step == 6
    assert not orphan.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly(tmp_path: Path, number: int) -> None:
    """Status 0 within three seconds, and no process of its group is left."""
    with serving(tmp_path, "--workers", "2") as running:
        started = time.monotonic()
        running.process.send_signal(number)
        assert running.process.wait(10) == 0
        assert time.monotonic() - started < 3
        with pytest.raises(ProcessLookupError):
            os.killpg(running.process.pid, 0)


def test_a_data_directory_has_one_server(tmp_path: Path) -> None:
    """The second one says who holds it, and ends."""
    with serving(tmp_path) as running:
        command = [sys.executable, "-m", "convserve_service", "serve", "--port", "0", "--data-dir", str(tmp_path)]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=30)
        assert done.returncode == 1
        assert f"process {running.process.pid} still serves it" in done.stderr


def test_options_out_of_range_are_told(tmp_path: Path) -> None:
    """One line, no traceback."""
    command = [sys.executable, "-m", "convserve_service", "serve", "--workers", "0"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.returncode == 2
    assert "workers" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_environment_sets_every_option(tmp_path: Path) -> None:
    """CONVSERVE_MAX_ROWS for max_rows; GET /v2 shows it."""
    command = [sys.executable, "-m", "convserve_service", "serve", "--port", "0", "--data-dir", str(tmp_path)]
    env = {**environment(), "CONVSERVE_MAX_ROWS": "7"}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split(" is ready at ")[1].split()[0]
        assert Client(url).metadata()["limits"]["rows"] == 7
        process.terminate()


def test_any_number_of_workers_and_threads_gives_the_same_bits(tmp_path: Path) -> None:
    """1, 2 and 4 workers with 1 and 2 threads: the same digests for the same requests."""
    digests = set()
    for workers, threads in ((1, 1), (1, 2), (2, 2), (4, 1)):
        with serving(
            tmp_path / f"{workers}-{threads}", "--workers", str(workers), "--threads", str(threads)
        ) as running:
            model = Client(running.url).create("m", "lenet5", training={"optimizer": {"name": "adam"}})
            x = np.random.default_rng(1).integers(0, 256, (100, 1, 28, 28), np.uint8)
            made = model.train(x, np.arange(100) % 10, epochs=2, batch_size=64, shuffle_seed=3)
            digests.add((made.digest, made.losses.tobytes()))
    assert len(digests) == 1


def test_readers_never_see_an_older_version(tmp_path: Path) -> None:
    """With four workers, whoever answers: after a write no reply is of an earlier version."""
    with serving(tmp_path, "--workers", "4") as running:
        model = Client(running.url).create("m", "simple-cnn")
        for version in range(2, 40):
            assert model.train(X[:2], Y[:2]).version == version
            with Client(running.url) as fresh:
                assert fresh.model("m").gradients(X[:2], Y[:2], outputs=["loss"]).version == version


FORK = """
import os, signal
from convserve_service.listener import STOPPING, hold_signals_while_forking, release_signals

hold_signals_while_forking()
signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
child = os.fork()
if not child:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
    release_signals()
assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & STOPPING
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_worker_told_to_stop_too_early_stops() -> None:
    """A signal between the fork and the worker's own handlers waits for them; the parent hears signals at once."""
    done = subprocess.run([sys.executable, "-c", FORK], env=environment(), capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "7", done.stderr
