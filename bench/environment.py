"""The environment that NumPy starts in: one BLAS thread, and the kernels that fit this CPU."""

import os
import sys

UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
SET = {"OPENBLAS_NUM_THREADS": "1"}


def clean(found: dict[str, str]) -> dict[str, str]:
    """An environment without what would choose other kernels or more threads."""
    return {name: value for name, value in found.items() if name not in UNSET} | SET


def restart_clean(module: str) -> None:
    """Start this program again where the environment is another: BLAS has read it when NumPy was imported."""
    found = dict(os.environ)
    if clean(found) != found:
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], clean(found))
