"""The environment of each side: what a user would install, and how large that is."""

import re
import subprocess
import sys
from pathlib import Path

from bench.footprint.sides import OURS, PYTORCH, THEIRS, Side
from bench.installing import installed, variables
from tests.servers import ROOT, environment

REQUIREMENTS = {OURS: ROOT / "requirements.txt", PYTORCH: THEIRS / "requirements.txt"}
COMPUTES = {OURS: "numpy", PYTORCH: "torch"}
INSTALLERS = re.compile(r"(pip|setuptools|pkg_resources|_distutils_hack|distutils)\b")


def here(name: str) -> Side:
    """The environment of this program as it is, with the sources of this checkout."""
    return Side(name, Path(sys.executable), environment())


def fresh(name: str, folder: Path, *, reuse: bool) -> Side:
    """An environment of its own in a folder."""
    python = installed(folder, "--requirement", str(REQUIREMENTS[name]), project=name == OURS, reuse=reuse)
    return Side(name, python, variables())


def installed_bytes(side: Side) -> int:
    """What its packages take on the disk, as du counts, without pip and setuptools."""
    packages = Path(_ask(side, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    blocks = {}
    for top in packages.iterdir():
        if not INSTALLERS.match(top.name):
            for path in (top, *top.rglob("*")):
                found = path.lstat()
                blocks[found.st_dev, found.st_ino] = found.st_blocks
    return 512 * sum(blocks.values())


def version(side: Side) -> str:
    """Of the package that the side computes with, and of its build where a release has several."""
    package = COMPUTES[side.name]
    return _ask(side, f"from importlib.metadata import version; print({package!r}, version({package!r}))")


def _ask(side: Side, code: str) -> str:
    command = [str(side.python), "-c", code]
    done = subprocess.run(command, env=dict(side.variables), stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()
