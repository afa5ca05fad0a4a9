"""Load on one service from this machine: wrk as fast as it answers, h2load at a constant rate.

Both keep their connections open and share the cores with the service, whichever it is.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.connections import Call
from bench.service.running import Running

SCRIPT = Path(__file__).with_name("post.lua")
PATIENCE = 30.0
PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client"}  # of Debian and Ubuntu, by program


class LoadFailed(Exception):
    """A request under load failed, so its figures are not told."""


@dataclass(frozen=True)
class Flat:
    """As fast as it goes: requests/s, seconds until an answer, and the service's CPU time for a request in seconds."""

    rate: float
    p50: float
    p99: float
    cpu: float


@dataclass(frozen=True)
class Steady:
    """At a constant rate: requests/s that were asked for and that were reached, and seconds until an answer."""

    asked: float
    rate: float
    p50: float
    p99: float


def missing() -> list[str]:
    """The packages of the programs that are not there."""
    return [package for program, package in PACKAGES.items() if shutil.which(program) is None]


def flat_out(running: Running, call: Call, connections: int, seconds: int) -> Flat:
    """wrk with one thread."""
    size = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", f"{PATIENCE:.0f}s"]
    address, arguments = running.server.url + call.path, [str(_body(running, call)), *_headers(call)]
    before = running.cpu_seconds()
    said = _run(["wrk", *size, "--script", str(SCRIPT), address, "--", *arguments], seconds)
    spent = running.cpu_seconds() - before
    found = json.loads(said.splitlines()[-1])
    if found["failed"] or not found["requests"]:
        raise LoadFailed(f"{found['failed']} of {found['requests']} requests failed")
    return Flat(found["requests"] / found["seconds"], found["p50"], found["p99"], spent / found["requests"])


def steady(running: Running, call: Call, connections: int, seconds: int, rate: float) -> Steady:
    """h2load in HTTP/1.1, `rate` in requests/s on all connections together.

    They open one after another over the time between two requests of one, so that requests come one by one. A
    connection whose answer is late sends its next request late, so the rate that was reached says whether it was kept.
    """
    log = running.folder / "requests.log"
    log.unlink(missing_ok=True)
    count = max(connections, 2, round(rate * seconds))
    apart = max(1, round(1000 / rate))
    size = ["-t", "1", "-c", str(connections), "-n", str(count), "--rps", f"{rate / connections:.6f}"]
    opening = ["-r", "1", "--rate-period", f"{apart}ms"]
    headers = [word for header in _headers(call) for word in ("-H", header)]
    body, address = str(_body(running, call)), running.server.url + call.path
    _run(["h2load", "--h1", *size, *opening, "-d", body, *headers, "--log-file", str(log), address], seconds)
    return read_log(log, count, rate)


def read_log(log: Path, count: int, rate: float) -> Steady:
    """From h2load's log of `count` requests: start in microseconds, status, microseconds until the answer's end."""
    rows = [[int(word) for word in line.split("\t")] for line in log.read_text().splitlines()]
    done = [(begun, taken) for begun, status, taken in rows if status == 200]
    if len(done) < count:
        raise LoadFailed(f"{count - len(done)} of {count} requests failed")
    begun, taken = np.array(done).T / 1e6
    p50, p99 = np.quantile(taken, (0.5, 0.99)).tolist()
    return Steady(rate, (count - 1) / float(np.ptp(begun)), p50, p99)


def _run(command: Sequence[str], seconds: int) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"{command[0]} did not end within {seconds + PATIENCE:g} s") from error
    if done.returncode:
        raise LoadFailed(f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout


def _body(running: Running, call: Call) -> Path:
    path = running.folder / "body"
    path.write_bytes(call.body)
    return path


def _headers(call: Call) -> list[str]:
    return [f"{name}: {value}" for name, value in call.headers.items()]
