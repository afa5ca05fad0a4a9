"""Passes that are kept: whatever is to decide about a program was decided when it came before.

Those of inference go with the weights that they read; those with gradients are given the weights of each run.
"""

from collections import OrderedDict, defaultdict, deque
from functools import partial
from threading import Lock
from typing import Any

import numpy as np

from convserve_model.beside import Beside
from convserve_model.calls import make
from convserve_model.passes import Pass
from convserve_model.prepare import Program, Weights
from convserve_model.protocols import ONE, Call, Later, Params, Sides
from convserve_model.workspace import Spaces, trim

MOST, MOST_BYTES = 16, 128 << 20  # programs whose passes are kept, and what these may keep, for each thread
MANY = 1 << 17  # weights that are worth packing on several threads


class Source:
    """Passes for one run, made anew."""

    def __init__(self, program: Program, weights: Weights, sides: Sides) -> None:
        self.program, self._weights, self._sides = program, weights, sides

    def take(self, n: int, lane: int | None = None) -> Pass:
        """For a microbatch of n. Passes of one lane are never under way at once."""
        return Pass(self.program, self._weights.packed, self._sides, kept=False)

    def give(self, used: Pass) -> None:
        """Back, once nobody needs what it holds."""

    def turn(self) -> None:
        """Backward begins, for one of the microbatches: others may be there at the same time."""

    def end(self) -> None:
        """The run is over."""
        trim()


class Idle(Source):
    """Passes of one program and its weights that nobody uses now, by the size of their microbatch. Thread-safe."""

    def __init__(self, program: Program, weights: Weights, sides: Sides) -> None:
        super().__init__(program, weights, sides)
        self._idle: defaultdict[tuple[int, int | None], deque[Pass]] = defaultdict(deque)
        self._lanes: defaultdict[int, Spaces] = defaultdict(partial(Spaces, kept=True))

    def begin(self, weights: Weights) -> bool:
        """Whether a run with these weights may take passes."""
        return True

    def end(self) -> None:
        """They stay."""

    def take(self, n: int, lane: int | None = None) -> Pass:
        try:
            return self._idle[n, lane].pop()
        except IndexError:
            spaces = None if lane is None else self._lanes[lane]
            return Pass(self.program, self._params(), self._sides, kept=True, lane=lane, spaces=spaces)

    def give(self, used: Pass) -> None:
        self._idle[used.size, used.lane].append(used)

    def _params(self) -> dict[str, Params]:
        return self._weights.packed


class Learning(Idle):
    """For one run at a time, each with weights of its own; the last ones stay where passes read them."""

    def __init__(self, program: Program, sides: Sides, packing: Sides) -> None:
        super().__init__(program, program.weights({}), sides)
        self._packs = packing.map if program.parameters >= MANY else map
        self._lock = Lock()
        self._own: dict[str, dict[str, Any]] = {}  # what each op's kernel packs
        self._packed: dict[str, Params] = {}
        self._packing: list[list[Call]] = []  # of each op
        self._turning: list[list[Call]] = []  # what backward alone needs
        self._beside, self._waiting = Beside(sides), Lock()
        self._filling: Weights | None = None  # that are packed beside now
        self._filled_from: Weights | None = None

    def begin(self, weights: Weights) -> bool:
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._fill(weights)
        except BaseException:
            self.end()
            raise
        return True

    def turn(self) -> None:
        with self._waiting:
            if self._filling is not None:
                self._beside.wait()
                self._filled_from, self._filling = self._filling, None

    def end(self) -> None:
        self._beside.stop()
        self._lock.release()

    def rest(self) -> None:
        """Gives the memory of values back, until the next run; nothing while one is under way."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            for idle in self._idle.values():
                for this in idle:
                    this.rest()
        finally:
            self._lock.release()

    def _params(self) -> dict[str, Params]:
        return self._packed

    def _fill(self, weights: Weights) -> None:
        """Brings the weights to where the passes read them."""
        if weights is self._filled_from:
            return
        self._filling = self._filled_from = None  # until all of it is there
        for op in self.program.ops:
            own = op.own(weights.tensors)
            if op.output in self._own:
                self._own[op.output].update(own)
            else:
                packed, calls, backward = op.packed(own, weights.tensors, moves=True)
                self._own[op.output], self._packed[op.output] = own, packed
                self._packing += [calls] if calls else []
                self._turning += [[*backward]] if backward else []
        apart = bool(self._turning) and self._sides.begin is not None and self.program.parameters >= MANY
        for _ in self._packs(make, self._packing if apart else self._packing + self._turning):
            pass
        if apart:
            self._beside.begin(Later(self._turning, []))
            self._filling = weights
        else:
            self._filled_from = weights


class Plans:
    """Of the programs that were used last, in inference with the same weights, and of the last large one with
    gradients. Thread-safe."""

    def __init__(self, packing: Sides = ONE) -> None:
        self._lock, self._packing = Lock(), packing
        self._known: OrderedDict[tuple[int, Any], Idle] = OrderedDict()
        self._large: dict[tuple[int, Any], Learning] = {}

    def of(self, program: Program, weights: Weights, dtype: np.dtype[Any], sides: Sides = ONE) -> Source:
        """Kept passes; in inference from the second time on, for what comes once need not be kept."""
        if not program.planned:
            return Source(program, weights, sides)
        backward = program.want.backward
        at = id(program), dtype if backward else id(weights)  # held, so that nothing else gets their ids
        with self._lock:
            known = self._large.get(at) or self._known.get(at)
            again = known is not None or backward
            if known is None:
                known = self._add(at, program, weights, sides)
            elif at in self._known:
                self._known.move_to_end(at)
        return known if again and known.begin(weights) else Source(program, weights, sides)

    def rest(self) -> None:
        """No run with gradients follows soon."""
        with self._lock:
            large = list(self._large.values())
        for source in large:
            source.rest()

    def _add(self, at: tuple[int, Any], program: Program, weights: Weights, sides: Sides) -> Idle:
        """In place of those that were used longest ago."""
        if not program.want.backward:
            added = Idle(program, weights, sides)
        elif program.planned <= MOST_BYTES:
            added = Learning(program, sides, self._packing)
        else:
            self._large = {at: Learning(program, sides, self._packing)}
            return self._large[at]
        self._known[at] = added
        while len(self._known) > MOST or (len(self._known) > 1 and self._bytes() > MOST_BYTES):
            self._known.popitem(last=False)
        return added

    def _bytes(self) -> int:
        return sum(idle.program.planned for idle in self._known.values())
