"""The two services as commands: one worker, one compute thread, on a port of this machine."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

OURS, PYTORCH = "ours", "PyTorch"
HOST = "127.0.0.1"
THEIRS = Path(__file__).parent / "pytorch"
WEIGHTS = "weights.safetensors"
LEARNING_RATE, MOMENTUM = 0.1, 0.9  # of the SGD of both


@dataclass(frozen=True)
class Side:
    """A service, the Python of its environment, and the environment variables that it gets."""

    name: str
    python: Path
    variables: Mapping[str, str]

    def start(self, data: Path, port: int, log: IO[str]) -> "subprocess.Popen[str]":
        """In a session of its own, away from this checkout's folders; what it says goes into the log."""
        data = data.absolute()
        arguments = _ours(data, port) if self.name == OURS else _theirs(data, port)
        return subprocess.Popen(
            [str(self.python), "-m", *arguments], env=dict(self.variables), cwd=data.parent, text=True,
            start_new_session=True, stdout=log, stderr=log,
        )  # fmt: skip


def _ours(data: Path, port: int) -> list[str]:
    where = ["--host", HOST, "--port", str(port), "--data-dir", str(data)]
    return ["convserve_service", "serve", *where, "--workers", "1", "--threads", "1", "--drain-seconds", "0"]


def _theirs(data: Path, port: int) -> list[str]:
    """Threaded as ours, so that a connection stays open and tells who answers on it."""
    app = f"service:create_app({str(data / WEIGHTS)!r}, {LEARNING_RATE}, {MOMENTUM})"
    how = ["--workers", "1", "--worker-class", "gthread", "--threads", "1", "--keep-alive", "60"]
    return ["gunicorn", "--chdir", str(THEIRS), "--bind", f"{HOST}:{port}", *how, app]
