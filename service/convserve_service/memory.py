"""What a process keeps: the memory that arrays leave behind, and all that it imports.

By default glibc gives large blocks back to the kernel and takes them again, page fault by page fault: measured on
LeNet-5, that takes as long as the mathematics of a training step. And it keeps a heap for each thread, so that the next
request, in another thread, finds its memory cold. So freed memory stays, for the next step needs as much.

Python looks through what is there for garbage again and again. What is imported never is any, so it is not looked
through: not while it is imported, which takes a tenth less time then, and not later, when a request would wait for it.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h
KEPT_BYTES = 64 << 20  # freed memory beyond this goes back
LARGE_BYTES = 32 << 20  # the most that glibc allows; larger arrays are mapped each time


@contextmanager
def keep_made() -> Iterator[None]:
    """What the block imports and makes stays for the life of this process and of its children."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def keep_freed() -> None:
    """For this process, from now on; nothing where the C library knows no mallopt."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
