"""The Python of each side: of an environment of its own, or of this program."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.footprint.sides import OURS
from bench.installing import installed, variables
from bench.service.sides import LENET5, THEIRS, Side
from tests.servers import environment

VERSIONS = (
    "import sys; from importlib.metadata import version; print(*(f'{p} {version(p)}' for p in sys.argv[1:]), sep=', ')"
)


@dataclass(frozen=True)
class Installed:
    """A side, the folder of the programs that it is started with, and the environment variables that they see."""

    side: Side
    programs: Path
    variables: Mapping[str, str]

    def versions(self) -> str:
        command = [str(self.programs / "python"), "-c", VERSIONS, *self.side.packages]
        done = subprocess.run(command, env=dict(self.variables), stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.strip()


def here(side: Side) -> Installed:
    """With what this program runs with, and the sources of this checkout."""
    return Installed(side, Path(sys.executable).parent, environment())


def fresh(side: Side, folder: Path, *, reuse: bool) -> Installed:
    """With what its requirements say, in a folder."""
    what = [word for path in side.requirements for word in ("--requirement", str(path))]
    python = installed(folder, *what, project=side.name == OURS, reuse=reuse)
    theirs = {} if side.name == OURS else {"PYTHONPATH": os.pathsep.join(map(str, (THEIRS, LENET5)))}
    return Installed(side, python.parent, {**variables(), **theirs})
