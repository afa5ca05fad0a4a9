"""Work space: pieces do not overlap until it is used from an earlier place again."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from convserve_model.workspace import MEMORY, WorkSpace, give_back, own


def test_pieces_lie_behind_each_other() -> None:
    """Those of one step are apart, aligned, and of their own shape and type; the next step's lie over them."""
    space = WorkSpace()
    first, second = space.empty((3, 5), np.float32), space.empty((7,), np.float64)
    assert (first.shape, second.dtype) == ((3, 5), np.float64)
    assert not np.shares_memory(first, second)
    assert {(second.ctypes.data - first.ctypes.data) % 64} == {0}
    space.used = 0
    assert np.shares_memory(first, space.empty((2,), np.float32))


def test_what_does_not_fit_is_memory_of_its_own() -> None:
    space = WorkSpace()
    small = space.empty((1,), np.uint8)
    assert not np.shares_memory(space.empty((MEMORY,), np.uint8), small)
    assert np.shares_memory(space.empty((1,), np.uint8), space.empty((1,), np.uint8)) is False


def test_each_thread_has_its_own() -> None:
    """From its start each time."""
    ours = own()
    piece = ours.empty((4,), np.float32)
    assert own() is ours
    assert np.shares_memory(own().empty((4,), np.float32), piece)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(own).result() is not ours


def test_threads_that_compute_one_after_the_other_need_but_one() -> None:
    """Those that compute at once have one each."""

    def used() -> WorkSpace:
        space = own()
        give_back()
        return space

    ours = own()
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        assert first.submit(used).result() is second.submit(used).result() is not ours
