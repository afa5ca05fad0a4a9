"""One process at a time under strace: its system calls in order, and one of them killed or failed.

Processes come from a fork server that has imported everything, and are traced from before they open the data
directory; so `when` counts from there, and the same program makes the same calls.
"""

import ctypes
import gc
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from convserve_service import blas

CALLS = ("openat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "unlink", "unlinkat", "mkdir", "mkdirat")
FAULTS = {"KILL": "signal=KILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
SECONDS = 30
LINE = re.compile(r"(\w+)\(")
ANYONE, SET_PTRACER = -1, 0x59616D61


class Untraceable(Exception):
    """strace is missing, or may not trace here."""


@dataclass(frozen=True)
class Point:
    """The `when`-th call of a name; counted from 1."""

    call: str
    when: int


@dataclass(frozen=True)
class Traced:
    """What became of a process: its exit status (negative: the signal) and the lines of strace."""

    status: int | None
    lines: list[str]

    def calls(self) -> list[tuple[Point, str]]:
        """Every call with its line, in order."""
        counted: dict[str, int] = {}
        found = []
        for line in self.lines:
            if match := LINE.match(line):
                name = match.group(1)
                counted[name] = counted.get(name, 0) + 1
                found.append((Point(name, counted[name]), line))
        return found


def traced(
    log: Path, target: Callable[..., None], *args: Any, point: Point | None = None, fault: str = "KILL"
) -> Traced:
    """Run `target(*args)` in a process of its own, with a fault at the point."""
    inject = [] if point is None else ["-e", f"inject={point.call}:{FAULTS[fault]}:when={point.when}"]
    ours, theirs = multiprocessing.Pipe()
    errors = log.with_suffix(".stderr")
    process = _processes().Process(target=_begin, args=(theirs, errors, target, *args))
    process.start()
    theirs.close()
    wanted = ",".join(f"?{call}" for call in CALLS)
    command = [
        "strace",
        "-q",
        "-y",
        "-s",
        "0",
        "-o",
        str(log),
        "-e",
        f"trace={wanted}",
        *inject,
        "-p",
        str(process.pid),
    ]
    try:
        ours.recv()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            _wait_for(strace, int(process.pid or 0))
            ours.send(None)
            process.join(SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
            strace.communicate(timeout=SECONDS)
    finally:
        ours.close()
        if process.is_alive():
            process.kill()
        process.join()
    return Traced(process.exitcode, log.read_text(errors="replace").splitlines())


def run_apart(target: Callable[..., Any], *args: Any) -> Any:
    """What `target(*args)` gives in a process of its own, untraced."""
    ours, theirs = multiprocessing.Pipe()
    process = _processes().Process(target=_answer, args=(theirs, target, *args))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"the process ended with {process.exitcode}") from None
    finally:
        ours.close()
        process.join(SECONDS)


def require_strace() -> None:
    """Untraceable where there is no strace, or it may not attach."""
    if shutil.which("strace") is None:
        raise Untraceable("strace is not installed (apt install strace)")
    sleeper = subprocess.Popen(["sleep", "60"])
    command = ["strace", "-q", "-o", os.devnull, "-e", "trace=?fsync", "-e", "inject=fsync:error=EIO:when=1"]
    try:
        with subprocess.Popen([*command, "-p", str(sleeper.pid)], stderr=subprocess.PIPE, text=True) as strace:
            _wait_for(strace, sleeper.pid)
            sleeper.send_signal(signal.SIGTERM)
            strace.communicate(timeout=SECONDS)
    finally:
        sleeper.kill()
        sleeper.wait()


@cache
def _processes() -> Any:
    """A fork server with all modules; BLAS gets no threads, for calls are counted for each thread."""
    blas.one_thread()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.writes", "tests.crash.survivors"])
    return context


def _begin(gate: Connection, errors: Path, target: Callable[..., None], *args: Any) -> None:
    """In the new process: let anybody trace it, wait until somebody does, go on."""
    ctypes.CDLL(None).prctl(SET_PTRACER, ctypes.c_ulong(ANYONE), 0, 0, 0)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    gc.freeze()  # so that a collection looks at no modules
    gate.send(None)
    gate.recv()
    target(*args)


def _answer(gate: Connection, target: Callable[..., Any], *args: Any) -> None:
    gc.freeze()
    gate.send(target(*args))


def _wait_for(strace: "subprocess.Popen[str]", pid: int) -> None:
    """Until the process is traced."""
    end = time.monotonic() + SECONDS
    while strace.poll() is None and time.monotonic() < end:
        status = Path(f"/proc/{pid}/status").read_text()
        if not re.search(r"^TracerPid:\s+0$", status, re.MULTILINE):
            return
        time.sleep(0.001)
    strace.kill()
    raise Untraceable(f"strace cannot attach: {strace.communicate()[1].strip()}")
