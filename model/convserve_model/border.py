"""The library's border: arrays are batch first outside, and batch last, contiguous, inside."""

import numpy as np

from convserve_model.protocols import Array


def inside(array: Array) -> Array:
    """[N,...] -> [...,N], contiguous."""
    return np.ascontiguousarray(turned_in(array))


def turned_in(array: Array) -> Array:
    """[N,...] -> [...,N], a view."""
    return array.transpose(*range(1, array.ndim), 0)


def turned_out(array: Array) -> Array:
    """[...,N] -> [N,...], a view."""
    return array.transpose(-1, *range(array.ndim - 1))
