"""Inference as a list of NumPy calls on buffers, microbatch by microbatch: whatever is to decide was decided before."""

import math
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, pairwise
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

MOST, MOST_BYTES = 16, 128 << 20  # plans that are kept, for each thread that uses them, and what they may keep
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


@dataclass(frozen=True)
class Idle:
    """Plans of one program and weights, by the size of their microbatch, that nobody uses now."""

    program: Program
    weights: Mapping[str, Params]  # held, so that nothing else gets their ids
    plans: defaultdict[int, deque[Planned]] = field(default_factory=lambda: defaultdict(deque))

    def infer(self, x: Array, over: Over) -> dict[str, Array]:
        """The outputs of a microbatch x [n,C,H,W]."""
        plans = self.plans[len(x)]
        try:
            planned = plans.pop()
        except IndexError:
            planned = Planned(self.program, self.weights, x, over)
        found = planned.run(x)
        plans.append(planned)
        return found


class Plans:
    """Of the programs and weights that were used last. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[tuple[int, int], Idle] = OrderedDict()

    def run(
        self,
        program: Program,
        weights: Mapping[str, Params],
        x: Array,
        share: Over = map,
        over: Over = map,
        check: Check = nothing,
    ) -> dict[str, Array] | None:
        """The outputs; None the first time, for a plan is dearer to make than to do without.

        Microbatches are shared by `share`, parts of one by `over`. `check` is called before each, and may raise.
        """
        idle = self._of(program, weights)
        if idle is None:
            return None

        def infer(part: Array) -> dict[str, Array]:
            check()
            return idle.infer(part, over)

        if len(program.sizes) == 1:
            return infer(x)
        ends = accumulate(program.sizes, initial=0)
        parts = list(share(infer, [x[start:stop] for start, stop in pairwise(ends)]))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _of(self, program: Program, weights: Mapping[str, Params]) -> Idle | None:
        at = id(program), id(weights)
        with self._lock:
            known = self._known.get(at)
            if known is not None:
                self._known.move_to_end(at)
                return known
            self._known[at] = Idle(program, weights)
            while len(self._known) > MOST or (len(self._known) > 1 and self._bytes() > MOST_BYTES):
                self._known.popitem(last=False)
            return None

    def _bytes(self) -> int:
        return sum(idle.program.planned for idle in self._known.values())


def _plan(kernel: Kernel, w: Params, xs: list[Array], run: Run) -> Plan:
    """The kernel's own plan, or `forward` as one call."""
    if hasattr(kernel, "plan"):
        return cast(Planning, kernel).plan(w, *xs, run=run)
    y, _ = kernel.forward(w, *xs, run=run)
    if any(np.may_share_memory(y, x) for x in xs):  # a view sees what is in the buffer
        return y, []
    return y, [lambda: np.copyto(y, kernel.forward(w, *xs, run=run)[0])]


def _nothing_random() -> "np.random.Generator":
    raise AssertionError("nothing is random in inference")
