"""`python -m bench.engine.worker SIDE THREADS`: the process of one side. A JSON line asks, a JSON line answers."""

import importlib
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.engine.cells import OURS, PYTORCH, RUNTIME, Task
from bench.engine.work import Work

MODULES = {OURS: "bench.engine.ours", PYTORCH: "bench.engine.eager", RUNTIME: "bench.engine.runtime"}


class Worker:
    """What can be asked for: a method each, by its name."""

    def __init__(self, side: str, threads: int) -> None:
        self._make: Callable[[Task, int], Work] = importlib.import_module(MODULES[side]).prepare
        self._threads = threads
        self._imported = _status("VmRSS")

    def prepare(self, **task: Any) -> None:
        self._work = self._make(Task.load(**task), self._threads)

    def answer(self, path: str) -> None:
        """One call, whose answer goes into a file."""
        np.savez(path, allow_pickle=False, **self._work.answer())

    def run(self, warm: int, calls: int) -> list[float]:
        """Seconds of each counted call, after `warm` others."""
        work, seconds = self._work, []
        for _ in range(warm):
            work()
        for _ in range(calls):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
        return seconds

    def memory(self) -> int:
        """Bytes: the most that was ever resident less what was after the imports."""
        return _status("VmHWM") - self._imported


def replies(worker: Worker, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        request = json.loads(line)
        try:
            yield {"result": getattr(worker, request.pop("do"))(**request)}
        except Exception:
            yield {"error": traceback.format_exc()}


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no reply
    side, threads = sys.argv[1:]
    for reply in replies(Worker(side, int(threads)), sys.stdin):
        print(json.dumps(reply), file=out, flush=True)


def _status(field: str) -> int:
    """Bytes, from proc(5)."""
    match = re.search(rf"{field}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert match
    return 1024 * int(match[1])


if __name__ == "__main__":
    main()
