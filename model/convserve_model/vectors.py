"""Named tensors as one contiguous vector: what optimizers, clipping and finite checks work on in one pass."""

from collections.abc import Mapping
from functools import cached_property
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convserve_model.protocols import Array, Shape
from convserve_model.values import dataclass


@dataclass(frozen=True)
class Layout:
    """Which tensor lies where in the vector."""

    names: tuple[str, ...]
    shapes: tuple[Shape, ...]

    @cached_property
    def size(self) -> int:
        return sum(prod(shape) for shape in self.shapes)

    def views(self, vector: Array) -> dict[str, Array]:
        """The vector's tensors, as views."""
        views, start = {}, 0
        for name, shape in zip(self.names, self.shapes, strict=True):
            stop = start + prod(shape)
            views[name] = vector[start:stop].reshape(shape)
            start = stop
        return views

    def gather(self, tensors: Mapping[str, Array], dtype: np.dtype[np.generic]) -> Array:
        """One vector of all tensors: a read-only view where they already lie one behind the other, else a copy."""
        arrays = [tensors[name] for name in self.names]
        if arrays and self._adjacent(arrays, dtype):
            return as_strided(arrays[0], (self.size,), (dtype.itemsize,), writeable=False)
        return self.copied(tensors, dtype)

    def copied(self, tensors: Mapping[str, Array], dtype: np.dtype[np.generic]) -> Array:
        """One vector of all tensors, the caller's own."""
        vector = np.empty(self.size, dtype)
        for name, view in self.views(vector).items():
            view[...] = tensors[name]
        return vector

    @staticmethod
    def _adjacent(arrays: list[Array], dtype: np.dtype[np.generic]) -> bool:
        """Whether they are contiguous slices of one buffer, in order."""
        expected = arrays[0].ctypes.data
        root = _root(arrays[0])
        for array in arrays:
            fits = array.dtype == dtype and array.flags.c_contiguous and array.ctypes.data == expected
            if not fits or _root(array) is not root or root is array:
                return False
            expected += array.nbytes
        return True


def _root(array: Array) -> object:
    """The array that owns the memory (or wraps the buffer that does)."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
