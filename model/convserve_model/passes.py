"""One microbatch on its way through a program: its values, its gradients. For one thread at a time."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from convserve_model.beside import Beside
from convserve_model.border import turned_in, turned_out
from convserve_model.calls import make
from convserve_model.losses import Loss
from convserve_model.memory import Fresh, Values
from convserve_model.ops import Op
from convserve_model.prepare import Program
from convserve_model.protocols import ONE, Adjoint, Array, Call, Later, Params, Run, Sides
from convserve_model.randomness import Purpose, generator
from convserve_model.workspace import Spaces

MOST_BESIDE = 2  # gradients of parameters that are made beside what follows: each has work space of its own


class Done(NamedTuple):
    """What one microbatch gives; arrays are batch first, and nobody writes over them."""

    place: int  # in the batch
    loss: float
    outputs: list[Array]
    gradients: list[Array]  # with respect to values
    grads: dict[str, Array]  # with respect to parameters


class Pass:
    """Forward and backward of one microbatch, segment by segment.

    A pass that is `kept` can begin again, with other inputs of the same shapes: what it planned the first time is then
    only carried out, on buffers that stay where they are. `weights` are what each op computes with, by its output;
    other arrays may lie there the next time (see `Kernel.plan`). Passes of one lane are never under way at once, and
    may share work space.
    """

    def __init__(
        self,
        program: Program,
        weights: Mapping[str, Params],
        sides: Sides = ONE,
        *,
        kept: bool,
        lane: int | None = None,
        spaces: Spaces | None = None,
    ) -> None:
        self.lane = lane
        self.values: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}  # with respect to values
        self._program, self._weights, self._sides, self._kept = program, weights, sides, kept
        self._memory, self._spaces = Values() if kept else Fresh(), spaces or Spaces(kept=kept)
        self._beside, self._waiting = Beside(sides), 0  # as of what is planned
        self._turn = Turn()
        self._puts: dict[tuple[str, str], Array] = {}
        self._forward: dict[int, list[Call]] = {}
        self._backward: dict[int, list[Call]] = {}
        self._adjoints: dict[int, list[Adjoint]] = {}
        self._taken: dict[str, list[Array]] = {}  # memory for what an op left to backward
        self._parts: dict[str, Array] = {}  # of a barrier's value, by its op's output
        self._dwholes: dict[str, Array | None] = {}  # the gradient of the whole
        self._into: dict[str, dict[str, Array]] = {}  # by op
        self._views: list[Array] | None = None
        self._dparams: list[tuple[Op, dict[str, Array]]] = []

    def begin(self, x: Array, *, index: int, key: tuple[int, int], into: Mapping[str, Array]) -> None:
        """x [n,C,H,W] is the batch's microbatch `index`; `into` is where gradients of parameters may go."""
        self._turn.index, self._turn.key, self._loss = index, key, 0.0
        self._enter(x)
        for op in self._program.learning:
            places = self._into.setdefault(op.output, {})
            places.clear()
            places.update((short, into[full]) for short, full in op.params if full in into)

    def forward(self, at: int) -> None:
        """Computes the values of a segment."""
        self._carry_out(self._forward, self._plan_forward, at)

    def backward(self, at: int) -> None:
        """Passes gradients back through a segment."""
        self._carry_out(self._backward, self._plan_backward, at)

    def _carry_out(self, known: dict[int, list[Call]], plan: Callable[[int], list[Call]], at: int) -> None:
        """What is known of a segment, or what is planned and made for the first time."""
        calls = known.get(at)
        if calls is not None:
            make(calls)
            return
        calls = plan(at)
        self._spaces.give_back()
        if self._kept:
            known[at] = calls

    def _plan_forward(self, at: int) -> list[Call]:
        calls: list[Call] = []
        adjoints: list[Adjoint] = []
        values, backward = self.values, self._program.want.backward
        for op in self._program.segments[at]:
            y, more, adjoint = op.kernel.plan(
                self._weights[op.output], *(values[name] for name in op.inputs), run=self._run(op)
            )
            make(more)
            values[op.output] = y
            if op.reduced:
                self._parts[op.output] = y
            calls += more if self._kept else []
            if backward:
                adjoints.append(adjoint)
                self._taken[op.output] = self._memory.taken()
            gone = [values.pop(name) for name in op.last_use]
            if not backward:
                self._memory.release(gone, values.values())
        self._adjoints[at] = adjoints
        return calls

    def part(self, name: str) -> Array:
        """This microbatch's part of a barrier's value."""
        return self._parts[name]

    def meet(self, name: str, whole: Array) -> None:
        """The whole of a barrier's value, for those who read it."""
        self.values[name] = self._put("value", name, whole)

    def seed_loss(self, loss: Loss, target: Array, scale: float) -> None:
        """This microbatch's loss; the gradient starts from it."""
        logits = self.values[self._program.output]
        self._loss, gradient = loss(logits, target)
        self.seed(gradient * logits.dtype.type(scale))

    def seed(self, cotangent: Array) -> None:
        """Starts the gradient from dL/dlogits [K,n]."""
        name = self._program.output
        self.gradients[name] = self._put("gradient", name, cotangent)

    def _plan_backward(self, at: int) -> list[Call]:
        calls: list[Call] = []
        adjoints = self._adjoints.pop(at)
        outputs = [self.values[value] for _, value in self._program.outputs]
        for op in reversed(self._program.segments[at]):
            calls += self._differentiate(op, adjoints.pop())
            self._memory.free(self._taken.pop(op.output), [*self.gradients.values(), *outputs])
        if at == 0 or not self._kept:
            make(waits := self._waits(self._waiting))
            calls += waits
        return calls

    def _differentiate(self, op: Op, adjoint: Adjoint) -> list[Call]:
        """Passes gradients back through an op; the calls, if they are kept."""
        take = self.gradients.get if op.output in self._program.kept else self.gradients.pop
        dy = take(op.output, None)
        if dy is None or not (op.need_params or any(op.need)):
            return []
        dxs, calls, dparams, later = adjoint(dy)
        if later is not None:
            calls = [*self._waits(self._waiting + 1 - MOST_BESIDE), *calls, self._begins(later)]
        gone = [dy]
        for name, dx in zip(op.inputs, dxs, strict=True):
            if dx is None:
                continue
            before = self.gradients.get(name)
            if before is not None:
                out = dx if getattr(op.kernel, "fresh", False) else self._memory.empty(dx.shape, dx.dtype)
                calls.append(partial(np.add, before, dx, out))
                gone.append(before)
                dx = out
            self.gradients[name] = dx
        make(calls)
        if op.need_params:
            self._dparams.append((op, dparams))
        self._memory.release(gone, self.gradients.values())
        return calls if self._kept else []

    def _begins(self, later: Later) -> Call:
        """The call that begins this beside what follows, which leaves alone what it reads."""
        self._waiting += 1
        self._spaces.turn = 1 + self._spaces.turn % MOST_BESIDE
        self._memory.hold()
        return partial(self._beside.begin, later)

    def _waits(self, count: int) -> list[Call]:
        """Calls that wait for those that were begun first."""
        waits: list[Call] = []
        for _ in range(count):
            waits.append(self._beside.wait)
            self._waiting -= 1
            self._memory.let_go()
        return waits

    def stop(self) -> None:
        """It is given up: nobody works on it any more."""
        self._beside.stop()

    def dwhole(self, name: str) -> Array | None:
        """The gradient of the whole of a barrier's value, as far as this microbatch goes."""
        if name not in self._dwholes:
            self._dwholes[name] = self.gradients.pop(name, None)
        return self._dwholes[name]

    def meet_gradient(self, name: str, dpart: Array) -> None:
        """The gradient of this microbatch's part of a barrier's value."""
        self.gradients[name] = self._put("gradient", name, dpart)

    @property
    def index(self) -> int:
        """The microbatch's place in the batch."""
        return self._turn.index

    def done(self) -> Done:
        """What it gives; it keeps nothing of the caller's."""
        grads = {full: dparams[short] for op, dparams in self._dparams for short, full in op.params if short in dparams}
        for held in (*self._into.values(), *(dparams for _, dparams in self._dparams)):
            held.clear()
        gradients = [turned_out(self.gradients[value]).copy() for _, value in self._program.gradients]
        return Done(self.index, self._loss, self._outputs(), gradients, grads)

    def rest(self) -> None:
        """Gives its memory back to the kernel, until it begins again."""
        self._memory.give_back()

    def infer(self, x: Array) -> list[Array]:
        """The outputs for x [n,C,H,W], where nothing else is asked for."""
        self._enter(x)
        self.forward(0)
        return self._outputs()

    def _enter(self, x: Array) -> None:
        self.size = len(x)
        self.values["x"] = self._put("value", "x", turned_in(x))

    def _outputs(self) -> list[Array]:
        """What was asked for, batch first."""
        if self._views is None:
            self._views = [turned_out(self.values[value]) for _, value in self._program.outputs]
        return [view.copy() for view in self._views]

    def _put(self, kind: str, name: str, array: Array) -> Array:
        """What comes from outside, where plans look for it; contiguous."""
        if not self._kept:
            return np.ascontiguousarray(array)
        known = self._puts.get((kind, name))
        if known is None:
            self._puts[kind, name] = known = np.empty(array.shape, array.dtype)
        np.copyto(known, array, casting="no")
        return known

    def _run(self, op: Op) -> Run:
        """Of functions that do not know the pass: calls hold them, and the pass holds the calls."""
        return Run(
            need=op.need,
            need_params=op.need_params,
            random=partial(_random, op, self._turn),
            empty=self._memory.empty,
            space=self._spaces,
            apart=self._spaces.apart,
            sides=self._sides,
            overwrite=op.overwrite,
            spend=op.spend,
            moves=self._program.want.backward,
            into=self._into.get(op.output, {}),
        )


class Turn:
    """Which microbatch it is this time, and what its random numbers come from."""

    index = 0
    key = 0, 0


def _random(op: Op, turn: Turn) -> "np.random.Generator":
    seed, step = turn.key
    return generator(Purpose.DROPOUT, seed=seed, step=step, index=op.index, microbatch=turn.index)
