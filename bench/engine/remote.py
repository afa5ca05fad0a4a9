"""A side in a process of its own, as the controller sees it: it computes only while it is asked."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.servers import ROOT, environment

SECONDS_TO_END = 10


class SideFailed(Exception):
    """A side raised, or its process ended."""


class Remote:
    """Asks a worker; see `worker.Worker` for what there is to ask."""

    def __init__(self, side: str, process: "subprocess.Popen[str]") -> None:
        self._side, self._process = side, process

    def ask(self, do: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise SideFailed(f"{self._side} ended with {self._process.wait(SECONDS_TO_END)}")
        reply = json.loads(line)
        if "error" in reply:
            raise SideFailed(f"{self._side}: {reply['error']}")
        return reply["result"]


@contextmanager
def started(side: str, threads: int) -> Iterator[Remote]:
    """A fresh process, which ends with the block."""
    command = [sys.executable, "-m", "bench.engine.worker", side, str(threads)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()
    )
    with process:
        try:
            yield Remote(side, process)
        finally:
            process.kill()
