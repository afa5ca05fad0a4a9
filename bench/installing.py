"""Environments with what a user would install, and nothing else."""

import subprocess
import sys
from pathlib import Path

from tests.servers import ROOT, environment


def installed(folder: Path, *what: str, project: bool, reuse: bool) -> Path:
    """The Python of a new environment in a folder, or of the one that is there.

    `what` is for pip. With `project` this checkout is installed, anew where the environment was there.
    """
    python, ready = folder.absolute() / "bin" / "python", folder / "ready"
    if not (reuse and ready.exists()):
        _run("-m", "venv", "--clear", "--without-pip", str(folder))
        _install(python, *what)
        ready.touch()
    if project:
        _install(python, "--force-reinstall", "--no-deps", "--no-build-isolation", str(ROOT))
    return python


def variables() -> dict[str, str]:
    """The environment variables of this program without those of its Python: it is not seen from within."""
    return {name: value for name, value in environment().items() if not name.startswith("PYTHON")}


def _install(python: Path, *what: str) -> None:
    _run("-m", "pip", "--python", str(python), "install", "--quiet", *what)


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True)
