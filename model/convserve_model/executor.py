"""Runs a program over microbatches on threads: the one place that knows about parallelism.

Microbatches and every sum over them follow the batch's order, so the bits do not depend on the number of threads.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import methodcaller
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from convserve_model.border import turned_in
from convserve_model.losses import Loss
from convserve_model.ops import Op
from convserve_model.passes import Done, Pass
from convserve_model.plans import Plans, Source
from convserve_model.pool import Pool
from convserve_model.prepare import Program, Weights
from convserve_model.protocols import ONE, Array, Check, Sides, nothing

MOST_SIDES = 4  # of one microbatch: each has work space of its own


class Result(NamedTuple):
    """What a run gives; arrays are batch first and the caller's own."""

    outputs: dict[str, Array]
    loss: float
    gradients: dict[str, Array]  # with respect to `x` and layers
    moments: dict[str, Array]  # of each batch norm, by layer


class Executor:
    """A pool of `threads` compute threads, the caller among them; BLAS is set to one thread for the process."""

    def __init__(self, threads: int = 1) -> None:
        threadpool_limits(1, user_api="blas")
        self.pool = Pool(threads)
        self._sides = Sides(min(MOST_SIDES, threads), self.pool.map, self.pool.begin if threads > 1 else None)
        self._plans = Plans(self._sides)
        self.over(_warm_up, range(threads))

    def over(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """An ordered map over the threads."""
        try:
            return list(self.pool.map(function, items))
        finally:
            self.pool.places.leave()

    def close(self) -> None:
        self.pool.close()

    @np.errstate(all="ignore")
    def run(
        self,
        program: Program,
        weights: Weights,
        x: Array,
        *,
        loss: Loss | None = None,
        target: Array | None = None,
        cotangent: Array | None = None,
        key: tuple[int, int] = (0, 0),
        grads: Mapping[str, Array] | None = None,
        check: Check = nothing,
    ) -> Result:
        """x [N,C,H,W], target [N] or [N,K], cotangent [N,K]; `key` is (seed, step) of what is random.

        `weights` are `Program.weights`; the gradients of parameters go into `grads`. What overflows becomes an infinity
        or a NaN without a warning: callers check what they keep. `check` is called before each microbatch and may
        raise.
        """
        sides = self._sides if len(program.sizes) < self.pool.threads else ONE  # parts, where threads would idle
        try:
            source = self._plans.of(program, weights, x.dtype, sides)
            try:
                if program.infers:
                    return Result(self._infer(program, source, x, check), 0.0, {}, {})
                return self._carry_out(Batch(program, source, x, loss, target, cotangent, key, grads or {}, check))
            finally:
                source.end()
        finally:
            self.pool.places.leave()

    @contextmanager
    def differentiating(self) -> Iterator[None]:
        """Around runs with gradients: what large programs keep is given back after the last of them."""
        try:
            yield
        finally:
            self._plans.rest()

    def _infer(self, program: Program, source: Source, x: Array, check: Check) -> dict[str, Array]:
        def infer(rows: slice) -> list[Array]:
            check()
            this = source.take(rows.stop - rows.start)
            found = this.infer(x[rows])
            source.give(this)
            return found

        return _joined(program.outputs, list(self.pool.map(infer, program.rows)))

    def _carry_out(self, batch: "Batch") -> Result:
        """Microbatches that do not know of each other, or meet; nobody works on them when it fails."""
        try:
            if batch.program.barriers:
                return self._together(batch)
            return _result(batch, self.pool.map(batch.through, batch.all))
        except BaseException:
            batch.stop()
            raise

    def _together(self, batch: "Batch") -> Result:
        """All microbatches at once: they wait for each other at every barrier. Those of a lane come one by one."""
        program, last = batch.program, len(batch.program.barriers)
        count = min(self.pool.threads, len(program.sizes))
        passes = [batch.begin(index, index % count) for index in batch.all]
        lanes = [passes[lane::count] for lane in range(count)]

        def each(function: Callable[[Pass], None]) -> None:
            def along(lane: list[Pass]) -> None:
                for this in lane:
                    batch.check()
                    function(this)

            for _ in self.pool.map(along, lanes):
                pass

        def finish(this: Pass) -> None:
            this.forward(last)
            if program.want.logits:
                batch.turn(this)

        crossed = []
        for at, op in enumerate(program.barriers):
            each(methodcaller("forward", at))
            crossed.append(_cross(op, passes))
        each(finish)
        if program.want.backward:
            for at in reversed(range(last)):
                _back(program.barriers[at].output, passes, crossed[at][1])
                each(methodcaller("backward", at))
        return _result(
            batch,
            map(batch.end, passes),
            {op.layer: whole for op, (whole, _) in zip(program.barriers, crossed, strict=True)},
        )


class Batch:
    """What a run is about, and its microbatches."""

    def __init__(
        self,
        program: Program,
        source: Source,
        x: Array,
        loss: Loss | None,
        target: Array | None,
        cotangent: Array | None,
        key: tuple[int, int],
        grads: Mapping[str, Array],
        check: Check,
    ) -> None:
        self.program, self.source, self.check, self.grads = program, source, check, grads
        self.all = range(len(program.sizes))
        self._passes: list[Pass] = []
        self.scale = 1.0  # of each loss in the mean
        if loss is not None and target is not None:
            self.scale = 1.0 / (len(x) * (_width(target) if loss.per_element else 1))
        self._x, self._loss, self._target, self._cotangent, self._key = x, loss, target, cotangent, key

    def begin(self, index: int, lane: int | None = None) -> Pass:
        this = self.source.take(self.program.sizes[index], lane)
        self._passes.append(this)
        this.begin(self._x[self.program.rows[index]], index=index, key=self._key, into={} if index else self.grads)
        return this

    def stop(self) -> None:
        """Nobody works on it any more."""
        for this in self._passes:
            this.stop()

    def through(self, index: int) -> Done:
        """A microbatch that waits for no other."""
        self.check()
        this = self.begin(index)
        this.forward(0)
        self.turn(this)
        return self.end(this)

    def turn(self, this: Pass) -> None:
        """At the logits: the loss, and backward through the last segment."""
        rows = self.program.rows[this.index]
        if self._loss is not None and self._target is not None:
            this.seed_loss(self._loss, turned_in(self._target[rows]), self.scale)
        elif self._cotangent is not None:
            this.seed(turned_in(self._cotangent[rows]))
        if self.program.want.backward:
            self.source.turn()
            this.backward(len(self.program.barriers))

    def end(self, this: Pass) -> Done:
        done = this.done()
        self.source.give(this)
        return done


def _cross(op: Op, passes: list[Pass]) -> tuple[Array, Callable[[Array], list[Array]]]:
    """Across a barrier: combines the parts in order and hands the whole to everybody."""
    assert op.reduced is not None
    whole, adjoint = op.reduced.combine([this.part(op.output) for this in passes])
    for this in passes:
        this.meet(op.output, whole)
    return whole, adjoint


def _back(name: str, passes: list[Pass], adjoint: Callable[[Array], list[Array]]) -> None:
    """Backward across a barrier: the gradients of its value are summed in order."""
    known = [part for part in (this.dwhole(name) for this in passes) if part is not None]
    if not known:
        return
    total = known[0].copy()
    for part in known[1:]:
        total += part
    for this, dpart in zip(passes, adjoint(total), strict=True):
        this.meet_gradient(name, dpart)


def _result(batch: Batch, dones: Iterable[Done], moments: dict[str, Array] | None = None) -> Result:
    """Sums in order, and rows one after the other."""
    loss, outputs, gradients = 0.0, [], []
    for done in dones:
        loss += done.loss
        outputs.append(done.outputs)
        gradients.append(done.gradients)
        if batch.grads:
            _add(batch.grads, done)
    program = batch.program
    return Result(
        _joined(program.outputs, outputs), loss * batch.scale, _joined(program.gradients, gradients), moments or {}
    )


def _warm_up(_: int) -> None:
    """A product that is large enough to touch all pages of the work space that BLAS keeps for a thread.

    OpenBLAS prefetches beyond what a product uses; where the pages are not there yet, that may cost more than the
    product, each time, in every process that never meets a large one.
    """
    np.ones((256, 384), np.float32) @ np.ones((384, 512), np.float32)


def _width(target: Array) -> int:
    return int(target.shape[1]) if target.ndim == 2 else 1


def _add(grads: Mapping[str, Array], done: Done) -> None:
    """Adds a microbatch's gradients, the first by assignment."""
    for name, total in grads.items():
        grad = done.grads.get(name)
        if grad is None:
            continue
        if done.place:
            total += grad
        elif grad is not total:
            total[...] = grad


def _joined(names: tuple[tuple[str, str], ...], parts: list[list[Array]]) -> dict[str, Array]:
    """What each microbatch gives for (asked name, value), one after the other."""
    whole = parts[0] if len(parts) == 1 else [np.concatenate(some) for some in zip(*parts, strict=True)]
    return {name: array for (name, _), array in zip(names, whole, strict=True)}
