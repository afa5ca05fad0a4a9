"""The services while they run: started, asked, and ended with all their processes."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.connections import Call
from bench.footprint.services import answered, told
from bench.footprint.sides import HOST
from bench.processes import cpu_seconds, family
from bench.service.environments import Installed
from bench.service.sides import Side
from bench.starts import free_port
from convserve_wire.tensors import Array
from tests.servers import Server

TOLD = 5000  # characters of what a service says
GRACE = 5.0  # LitServe does not end at SIGTERM


@dataclass(frozen=True)
class Running:
    """A service, and a folder for what is written about it."""

    side: Side
    server: Server
    folder: Path

    def ask(self, call: Call) -> bytes:
        """The body of a reply that is a 200, as soon as there is one."""
        connection, body = answered(self.server, call)
        connection.close()
        return body

    def logits(self, form: str, pixels: Array) -> Array:
        """[10] for pixels [1,1,28,28]."""
        question = self.side.questions[form]
        return question.logits(self.ask(question.ask(pixels)))

    def cpu_seconds(self) -> float:
        """The time that its processes have computed."""
        return cpu_seconds(family(self.server.process.pid))


@contextmanager
def running(installed: Installed, folder: Path, weights: Path) -> Iterator[Running]:
    """It may not listen yet when the block begins; what it says is told where the block fails."""
    side, data = installed.side, folder.absolute() / installed.side.name
    data.mkdir()
    names = {"port": free_port(), "port2": free_port(), "port3": free_port(), "data": data}
    program, *arguments = (word.format(**names) for word in side.command)
    given = {name: value.format(**names) for name, value in side.variables.items()}
    variables = {**installed.variables, "LENET5_WEIGHTS": str(weights), "TMPDIR": str(data), **given}
    with (folder / f"{side.name}.log").open("w+") as log:
        process = subprocess.Popen(
            [str(installed.programs / program), *arguments], env=variables, cwd=data, text=True,
            start_new_session=True, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            with told(side.name, log, last=TOLD):
                yield Running(side, Server(f"http://{HOST}:{names['port']}", process, data), folder)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    """Politely first; then with all that it has started."""
    started = family(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    for pid in started:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
