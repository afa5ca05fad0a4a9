"""The service under attack: `convserve serve` in a process group of its own, killed and started again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import IO

from tests.crash import processes
from tests.crash.processes import Process
from tests.crash.promises import BrokenPromise, demand
from tests.servers import address, launch

KINDS = ("group", "worker", "serve", "job", "listener")
RESTARTED = {"group", "serve", "listener"}  # by us; the others are by serve
JOBS = "convserve-jobs"
WORKERS = 2
DIE_SECONDS = 2.0  # promised is 1; the machine may be busy
WHOLE_SECONDS = 20.0


class Service:
    """Serves `data_dir` whenever it is not being killed; what it says goes to `log`."""

    def __init__(self, data_dir: Path, log: IO[str], *options: str) -> None:
        self._data_dir = data_dir
        self._log = log
        self._options = ("--workers", str(WORKERS), *options)
        self._kind, self._struck, self._old = "", 0.0, frozenset[int]()
        self._groups: list[int] = []
        self._process = self._launch()
        self.url = address(self._process)
        self._wait_whole()

    @property
    def blobs(self) -> Path:
        return self._data_dir / "blobs"

    def strike(self, kind: str, random: Random) -> None:
        """SIGKILL, and no more."""
        self._kind, self._struck = kind, time.monotonic()
        self._old = frozenset(process.pid for process in self._running())
        if kind == "group":
            os.killpg(self._process.pid, signal.SIGKILL)
        elif kind == "serve":
            os.kill(self._process.pid, signal.SIGKILL)
        else:
            victims = {"worker": self._workers, "job": self._jobs, "listener": self._listeners}[kind]()
            victim = random.choice(victims).pid
            self._old = frozenset({victim})
            os.kill(victim, signal.SIGKILL)

    def recover(self) -> float:
        """Whole again, started by us or by itself; returns the seconds since it was struck."""
        if self._kind in RESTARTED:
            self._restart()
        self._wait_whole()
        return time.monotonic() - self._struck

    def stop(self) -> None:
        """As an operator does."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)
        self._forget(self._process)

    def abandon(self) -> None:
        """Leave nothing running, of this server or of those before it."""
        for group in self._groups:
            if processes.group(group):
                os.killpg(group, signal.SIGKILL)
        self._process.wait()
        self._forget(self._process)

    def _launch(self) -> subprocess.Popen[str]:
        process = launch(self._data_dir, *self._options, log=self._log)
        self._groups.append(process.pid)
        return process

    def _restart(self) -> None:
        """A new server, started while children of the old one may still live: it must wait for them."""
        old = self._process
        until(lambda: old.poll() is not None, DIE_SECONDS, "serve ends when the one that listens is dead")
        demand(old.returncode != 0, "serve tells that it was killed", f"{old.returncode} after {self._kind}")
        self._forget(old)
        self._process = self._launch()
        until(lambda: not processes.group(old.pid), DIE_SECONDS, "all children of serve die within a second of it")
        try:
            self.url = address(self._process)
        except RuntimeError as error:
            raise BrokenPromise("serve starts again after kill -9", f"{error}; see the log") from error

    def _wait_whole(self) -> None:
        """Until there are all workers and the job process, and none of the old ones."""

        def whole() -> bool:
            pids = {process.pid for process in self._running()}
            return not pids & self._old and len(self._workers()) == WORKERS and len(self._jobs()) == 1

        until(whole, WHOLE_SECONDS, "serve starts again what was killed")

    def _running(self) -> list[Process]:
        return processes.group(self._process.pid)

    def _jobs(self) -> list[Process]:
        return [process for process in self._running() if process.name == JOBS]

    def _listeners(self) -> list[Process]:
        return [p for p in self._running() if p.parent == self._process.pid and p.name != JOBS]

    def _workers(self) -> list[Process]:
        listening = {process.pid for process in self._listeners()}
        return [process for process in self._running() if process.parent in listening]

    @staticmethod
    def _forget(process: subprocess.Popen[str]) -> None:
        if process.stdout is not None:
            process.stdout.close()


def until(true: Callable[[], bool], seconds: float, promise: str) -> None:
    """BrokenPromise where it does not become true in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise BrokenPromise(promise, f"not in {seconds:g} s")
        time.sleep(0.005)
