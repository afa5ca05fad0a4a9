"""The machine's own limit: how fast NumPy multiplies matrices on so many threads at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

SIZES = (512, 1024, 2048)
OPERATIONS = 2 * 2048**3  # of each thread in a try


def gemm_peak(threads: int, tries: int) -> float:
    """FLOP/s of float32 squares, the best size and try; BLAS itself is at one thread."""
    with ThreadPoolExecutor(threads) as pool:
        return max(_rate(pool, threads, n) for _ in range(tries) for n in SIZES)


def _rate(pool: ThreadPoolExecutor, threads: int, n: int) -> float:
    together = threading.Barrier(threads)
    repeats = OPERATIONS // (2 * n**3)

    def multiply(seed: int) -> tuple[float, float]:
        a, b = np.random.default_rng(seed).standard_normal((2, n, n), dtype=np.float32)
        out = a @ b
        together.wait()
        started = time.perf_counter()
        for _ in range(repeats):
            np.matmul(a, b, out=out)
        return started, time.perf_counter()

    spans = list(pool.map(multiply, range(threads)))
    seconds = max(end for _, end in spans) - min(start for start, _ in spans)
    return threads * repeats * 2 * n**3 / seconds
