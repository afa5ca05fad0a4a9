"""Work space: pieces do not overlap until it is used from an earlier place again."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from convserve_model.mapped import MEMORY
from convserve_model.workspace import FEW, Spaces, WorkSpace


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


def test_bordered_images_are_given_again() -> None:
    """All of them for a plan that is kept, else the last few."""
    dtype = np.dtype(np.float32)
    for kept in (True, False):
        space = WorkSpace()
        if kept:
            space.keep()
        first, *_ = (space.bordered((size, 1, 1, 1), dtype, (), 0.0) for size in range(1, FEW + 2))
        assert (space.bordered((1, 1, 1, 1), dtype, (), 0.0) is first) is kept


def test_parts_have_spaces_of_their_own() -> None:
    """From the start each time."""
    spaces = Spaces(kept=True)
    ours, other = spaces(0), spaces(1)
    piece = ours.empty((4,), np.float32)
    assert not np.shares_memory(piece, other.empty((4,), np.float32))
    assert spaces(0) is ours
    assert np.shares_memory(piece, ours.empty((4,), np.float32))


def test_what_is_given_back_is_lent_again() -> None:
    """Threads that compute one after the other need but one; those that compute at once have one each."""

    def used() -> WorkSpace:
        spaces = Spaces()
        space = spaces(0)
        spaces.give_back()
        return space

    ours = Spaces()(0)
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        assert first.submit(used).result() is second.submit(used).result() is not ours
