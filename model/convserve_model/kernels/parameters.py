"""A parameter as packing reads it."""

from functools import partial
from typing import Any

import numpy as np

from convserve_model.protocols import Array, Params, Plan, Shape


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


def fixed(value: Array) -> Parameter:
    """One that lies where it is."""
    return Parameter({"": value}, "", moves=False)


def copied(parameter: Parameter, place: Array, *axes: int) -> Plan:
    """The parameter in `place` whenever the call is made, with its axes in this order."""
    return place, [partial(_copy, parameter, place, axes)]


def _copy(parameter: Parameter, place: Array, axes: tuple[int, ...]) -> None:
    np.copyto(place, parameter.now().transpose(axes))
