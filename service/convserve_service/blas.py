"""One thread for BLAS: threads are the engine's business, and the bits must not depend on them."""

import os

NAMES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def one_thread() -> None:
    """To be called before NumPy is imported."""
    os.environ.update(dict.fromkeys(NAMES, "1"))
