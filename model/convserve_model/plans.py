"""Inference of few images as a list of NumPy calls on buffers: whatever else there is to decide was decided before."""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from threading import Lock
from typing import Any, cast

import numpy as np

from convserve_model.border import turned_in, turned_out
from convserve_model.calls import make
from convserve_model.prepare import Program
from convserve_model.protocols import (
    Array,
    Call,
    Check,
    Kernel,
    Params,
    Plan,
    Planning,
    Run,
    Shape,
    nothing,
)
from convserve_model.workspace import WorkSpace, bordered

MOST = 8  # versions and sizes whose plans are kept
Over = Callable[..., Any]


class Values:
    """Memory for the values of a plan: what nobody reads any more is used again."""

    def __init__(self) -> None:
        self._free: list[Array] = []
        self._own: set[int] = set()

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """Like np.empty: in the smallest free memory that is large enough, else new."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        fitting = [memory for memory in self._free if len(memory) >= size]
        memory = min(fitting, key=len, default=None)
        if memory is None:
            memory = np.empty(size, np.uint8)
            self._own.add(id(memory))
        else:
            self._free = [other for other in self._free if other is not memory]
        return np.ndarray(shape, dtype, memory)

    def release(self, gone: Iterable[Array], kept: Iterable[Array]) -> None:
        """What the values that are gone lay in, where no other value lies there too."""
        used = {id(value.base) for value in kept}
        for memory in {id(value.base): value.base for value in gone}.values():
            if memory is not None and id(memory) in self._own - used:
                self._free.append(memory)


class Planned:
    """A program with its weights and buffers; for one thread at a time."""

    def __init__(self, program: Program, weights: Mapping[str, Params], x: Array, over: Over) -> None:
        memory, spaces = Values(), defaultdict[int, WorkSpace](lambda: WorkSpace(cache(bordered)))

        def space(part: int) -> WorkSpace:
            found = spaces[0 if over is map else part]
            found.used = 0
            return found

        self._x = memory.empty((*x.shape[1:], len(x)), x.dtype)
        self._calls: list[Call] = []
        values = {"x": self._x}
        for op in program.segments[0]:
            run = Run(op.need, False, _nothing_random, over, op.overwrite, empty=memory.empty, space=space)
            y, calls = _plan(op.kernel, weights[op.output], [values[name] for name in op.inputs], run)
            self._calls += calls
            gone = [values.pop(name) for name in op.last_use]
            values[op.output] = y
            memory.release(gone, values.values())
        self._outputs = [(name, turned_out(values[value])) for name, value in program.outputs]

    def run(self, x: Array) -> dict[str, Array]:
        """x [N,C,H,W] -> the outputs, batch first and the caller's own."""
        self._x[...] = turned_in(x)
        make(self._calls)
        return {name: value.copy() for name, value in self._outputs}


class Plans:
    """Those that nobody uses now, of the programs and weights that were used last. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: OrderedDict[tuple[int, int], tuple[Any, list[Planned]]] = OrderedDict()

    def run(
        self, program: Program, weights: Mapping[str, Params], x: Array, over: Over, check: Check = nothing
    ) -> dict[str, Array] | None:
        """The outputs; None the first time, for a plan is dearer to make than to do without. `check` may raise."""
        idle = self._of(program, weights)
        if idle is None:
            return None
        check()
        planned = idle.pop() if idle else Planned(program, weights, x, over)
        found = planned.run(x)
        idle.append(planned)
        return found

    def _of(self, program: Program, weights: Mapping[str, Params]) -> list[Planned] | None:
        at = id(program), id(weights)
        with self._lock:
            known = self._idle.get(at)
            if known is not None:
                self._idle.move_to_end(at)
                return known[1]
            self._idle[at] = (program, weights), []  # held, so that nothing else gets their ids
            if len(self._idle) > MOST:
                self._idle.popitem(last=False)
            return None


def _plan(kernel: Kernel, w: Params, xs: list[Array], run: Run) -> Plan:
    """The kernel's own plan, or `forward` as one call."""
    if hasattr(kernel, "plan"):
        return cast(Planning, kernel).plan(w, *xs, run=run)
    y, _ = kernel.forward(w, *xs, run=run)
    if any(np.may_share_memory(y, x) for x in xs):  # a view sees what is in the buffer
        return y, []
    return y, [lambda: np.copyto(y, kernel.forward(w, *xs, run=run)[0])]


def _nothing_random() -> np.random.Generator:
    raise AssertionError("nothing is random in inference")
