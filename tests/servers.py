"""Real services for tests: the command that users type, on a free port, with its own data directory."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
READY = re.compile(r"is ready at (http://\S+)")
DEFAULTS = ("--port", "0", "--drain-seconds", "0")
SOURCES = ("model", "service", "clients/python")


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen[str]
    data_dir: Path


def environment() -> dict[str, str]:
    """The environment with the sources of this checkout first, and no setting of a service."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONVSERVE_")}
    return {**kept, "PYTHONPATH": os.pathsep.join(str(ROOT / source) for source in SOURCES)}


def launch(data_dir: Path, *options: str, log: IO[str] | None = None) -> subprocess.Popen[str]:
    """`convserve serve` in a process group of its own; `log` takes what it says on stderr."""
    given = [*DEFAULTS, "--data-dir", str(data_dir), *options]
    command = [sys.executable, "-m", "convserve_service", "serve", *given]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(), start_new_session=True
    )


@contextmanager
def serving(data_dir: Path, *options: str) -> Iterator[Server]:
    """`convserve serve` until the block ends; it must then stop by itself within 15 seconds."""
    process = launch(data_dir, *options)
    try:
        yield Server(address(process), process, data_dir)
    finally:
        stop(process)


def stop(process: "subprocess.Popen[str]") -> None:
    """SIGTERM where it still runs; it must then stop by itself within 15 seconds."""
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()


def address(process: subprocess.Popen[str]) -> str:
    """Where it is, as soon as it says that it is ready."""
    assert process.stdout is not None
    timer = threading.Timer(30, process.kill)
    timer.start()
    for line in process.stdout:
        if match := READY.search(line):
            timer.cancel()
            return match.group(1)
    raise RuntimeError(f"the service ended with {process.wait()} before it was ready")
