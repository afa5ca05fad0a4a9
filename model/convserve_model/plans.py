"""Passes that are kept: whatever is to decide about a program was decided when it came before.

Those of inference go with the weights that they read; those with gradients are given the weights of each run.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, cast

import numpy as np

from convserve_model.ops import Op
from convserve_model.passes import Pass
from convserve_model.prepare import Program
from convserve_model.protocols import Params

MOST, MOST_BYTES = 16, 128 << 20  # programs whose passes are kept, and what these may keep, for each thread
Over = Callable[..., Any]


class Source:
    """Passes for one run, made anew."""

    def __init__(self, program: Program, weights: Mapping[str, Params], over: Over) -> None:
        self.program, self.weights, self.over = program, weights, over

    def take(self, n: int) -> Pass:
        """For a microbatch of n."""
        return Pass(self.program, self.weights, self.over, kept=False)

    def give(self, used: Pass) -> None:
        """Back, once nobody needs what it holds."""

    def end(self) -> None:
        """The run is over."""


class Idle(Source):
    """Passes of one program and its weights that nobody uses now, by the size of their microbatch. Thread-safe."""

    def __init__(self, program: Program, weights: Mapping[str, Params], over: Over) -> None:
        super().__init__(program, weights, over)
        self._idle: defaultdict[int, deque[Pass]] = defaultdict(deque)

    def begin(self, weights: Mapping[str, Params]) -> bool:
        """Whether a run with these weights may take passes."""
        return True

    def take(self, n: int) -> Pass:
        try:
            return self._idle[n].pop()
        except IndexError:
            return Pass(self.program, self.weights, self.over, kept=True)

    def give(self, used: Pass) -> None:
        self._idle[used.size].append(used)


class Learning(Idle):
    """Of one program, for one run at a time, each with weights of its own."""

    def __init__(self, program: Program, over: Over) -> None:
        self._held: dict[str, Params] = {}
        super().__init__(program, self._held, over)
        self._lock = Lock()
        self._filled_from: Mapping[str, Params] | None = None

    def begin(self, weights: Mapping[str, Params]) -> bool:
        if not self._lock.acquire(blocking=False):
            return False
        if weights is not self._filled_from:
            for segment in self.program.segments:
                for op in segment:
                    self._fill(op, weights[op.output])
            self._filled_from = weights
        return True

    def end(self) -> None:
        self._lock.release()

    def _fill(self, op: Op, fresh: Params) -> None:
        """What was packed is written over, where plans read it; for the rest other arrays take its place."""
        held = self._held.get(op.output)
        if held is None:
            self._held[op.output] = _copied(fresh) if hasattr(op.kernel, "pack") else dict(fresh)
        elif hasattr(op.kernel, "pack"):
            _copy(held, fresh)
        else:
            cast(dict[str, Any], held).update(fresh)


class Plans:
    """Of the programs that were used last, in inference with the same weights. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[tuple[int, int], Idle] = OrderedDict()

    def of(self, program: Program, weights: Mapping[str, Params], over: Over = map) -> Source:
        """Kept passes from the second time on, for a program that comes once need not be kept."""
        if not program.planned:
            return Source(program, weights, over)
        backward = program.want.backward
        at = id(program), 0 if backward else id(weights)  # held, so that nothing else gets their ids
        with self._lock:
            known = self._known.get(at)
            if known is not None:
                self._known.move_to_end(at)
            else:
                self._known[at] = Learning(program, over) if backward else Idle(program, weights, over)
                while len(self._known) > MOST or (len(self._known) > 1 and self._bytes() > MOST_BYTES):
                    self._known.popitem(last=False)
        return known if known is not None and known.begin(weights) else Source(program, weights, over)

    def _bytes(self) -> int:
        return sum(idle.program.planned for idle in self._known.values())


def _copied(params: Params) -> dict[str, Any]:
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in params.items()}


def _copy(held: Params, fresh: Params) -> None:
    for name, value in fresh.items():
        if isinstance(value, np.ndarray):
            np.copyto(held[name], value)
