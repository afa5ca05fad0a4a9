"""A parameter as packing reads it."""

from typing import Any

import numpy as np

from convserve_model.protocols import Array, Call, Params, Plan, Shape


class Parameter:
    """`w[name]`; where it `moves`, another array may lie there whenever calls are made."""

    def __init__(self, w: Params, name: str, *, moves: bool) -> None:
        self.shape: Shape = w[name].shape
        self.dtype: np.dtype[Any] = w[name].dtype
        self._w, self._name, self._moves = w, name, moves
        self._still: Array | None = None

    def now(self) -> Array:
        """For calls to ask: what lies there when they are made."""
        value: Array = self._w[self._name]
        return value

    def still(self) -> Plan:
        """For what must not move: where it lies, or where it is copied to each time, once for all who ask."""
        if not self._moves:
            return self.now(), []
        if self._still is not None:
            return self._still, []
        self._still = own = np.empty(self.shape, self.dtype)
        return own, [lambda: np.copyto(own, self.now())]

    def copying(self, place: Array, *axes: int) -> Call:
        """To `place`, with its axes in this order."""
        return lambda: np.copyto(place, self.now().transpose(axes))


def fixed(value: Array) -> Parameter:
    """One that lies where it is."""
    return Parameter({"": value}, "", moves=False)
