"""Where a version's bits come from: on the same origin the same requests give the same bits."""

import platform
from functools import cache

import numpy as np
from threadpoolctl import threadpool_info

from convserve_service.release import VERSION

RELEASE = VERSION


@cache
def cpu() -> str:
    """The kind of CPU as far as arithmetic depends on it: machine, BLAS kernels, NumPy."""
    kernels = {str(found["architecture"]) for found in threadpool_info() if found.get("architecture")}
    return " ".join([platform.machine(), *sorted(kernels), f"numpy-{np.__version__}"])
