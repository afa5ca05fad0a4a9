"""Memory that arrays leave behind stays with the process, for the next step needs as much.

By default glibc gives large blocks back to the kernel and takes them again, page fault by page fault: measured on
LeNet-5, that takes as long as the mathematics of a training step. And it keeps a heap for each thread, so that the next
request, in another thread, finds its memory cold.
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h
KEPT_BYTES = 64 << 20  # freed memory beyond this goes back
LARGE_BYTES = 32 << 20  # the most that glibc allows; larger arrays are mapped each time


def keep_freed() -> None:
    """For this process, from now on; nothing where the C library knows no mallopt."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
