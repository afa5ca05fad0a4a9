"""Inference of few images as a list of NumPy calls on buffers: whatever else there is to decide was decided before."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import numpy as np

from convserve_model.border import turned_in, turned_out
from convserve_model.ops import Op
from convserve_model.prepare import Program
from convserve_model.protocols import Array, Check, Params, Plan, Run, nothing

MOST = 8  # versions and sizes whose plans are kept
Over = Callable[..., Any]


class Planned:
    """A program with its weights and buffers; for one thread at a time."""

    def __init__(self, program: Program, weights: Mapping[str, Params], x: Array, over: Over) -> None:
        self._x = np.empty((*x.shape[1:], len(x)), x.dtype)
        values, self._calls = {"x": self._x}, []
        for op in program.segments[0]:
            values[op.output], calls = _plan(op, weights[op.output], [values[name] for name in op.inputs], over)
            self._calls += calls
        self._outputs = [(name, turned_out(values[value])) for name, value in program.outputs]

    def run(self, x: Array) -> dict[str, Array]:
        """x [N,C,H,W] -> the outputs, batch first and the caller's own."""
        self._x[...] = turned_in(x)
        for call in self._calls:
            call()
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


def _plan(op: Op, w: Params, xs: list[Array], over: Over) -> Plan:
    """The kernel's own plan, or `forward` as one call."""
    kernel: Any = op.kernel
    plan: Plan | None = kernel.plan(w, *xs) if hasattr(kernel, "plan") else None
    if plan is not None:
        return plan
    run = Run(op.need, False, _nothing_random, over)
    y, _ = kernel.forward(w, *xs, run=run)
    if any(np.may_share_memory(y, x) for x in xs):  # a view sees what is in the buffer
        return y, []
    return y, [lambda: np.copyto(y, kernel.forward(w, *xs, run=run)[0])]


def _nothing_random() -> np.random.Generator:
    raise AssertionError("nothing is random in inference")
