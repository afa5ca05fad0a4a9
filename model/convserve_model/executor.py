"""Runs a program over microbatches on threads: the one place that knows about parallelism.

Microbatches and every sum over them follow the batch's order, so the bits do not depend on the number of threads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import numpy as np
from threadpoolctl import threadpool_limits

from convserve_model.border import inside, turned_out
from convserve_model.losses import Loss
from convserve_model.ops import Op
from convserve_model.passes import Pass
from convserve_model.plans import Plans
from convserve_model.pool import Pool
from convserve_model.prepare import Program
from convserve_model.protocols import Array, Check, Params, nothing
from convserve_model.workspace import give_back


@dataclass(frozen=True)
class Result:
    """What a run gives; arrays are batch first and the caller's own."""

    outputs: dict[str, Array] = field(default_factory=dict)
    loss: float = 0.0
    gradients: dict[str, Array] = field(default_factory=dict)  # with respect to `x` and layers
    moments: dict[str, Array] = field(default_factory=dict)  # of each batch norm, by layer


class Executor:
    """A pool of `threads` compute threads, the caller among them; BLAS is set to one thread for the process."""

    def __init__(self, threads: int = 1) -> None:
        threadpool_limits(1, user_api="blas")
        self.pool = Pool(threads)
        self._plans = Plans()
        for _ in self.pool.map(_warm_up, range(threads)):
            pass

    def close(self) -> None:
        self.pool.close()

    @np.errstate(all="ignore")
    def run(
        self,
        program: Program,
        weights: Mapping[str, Params],
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
        over = self.pool.map if len(program.sizes) < self.pool.threads else map  # strips, where threads would idle
        if program.planned and (found := self._plans.run(program, weights, x, self.pool.map, over, check)) is not None:
            return Result(found)
        ends = list(accumulate(program.sizes, initial=0))
        grads = grads or {}
        passes = [
            Pass(program, weights, inside(x[start:stop]), index=i, key=key, over=over, into={} if i else grads)
            for i, (start, stop) in enumerate(pairwise(ends))
        ]
        try:
            return self._through(program, passes, grads, loss=loss, target=target, cotangent=cotangent, check=check)
        finally:
            give_back()

    def _through(
        self,
        program: Program,
        passes: list[Pass],
        grads: Mapping[str, Array],
        *,
        loss: Loss | None,
        target: Array | None,
        cotangent: Array | None,
        check: Check,
    ) -> Result:
        """Forward and backward of all microbatches."""
        ends = list(accumulate(program.sizes, initial=0))
        adjoints = [
            self._cross(op, segment, passes, check)
            for op, segment in zip(program.barriers, program.segments, strict=False)
        ]
        scale = 1.0
        if loss is not None and target is not None:
            scale = 1.0 / (ends[-1] * (_width(target) if loss.per_element else 1))

        def finish(this: Pass) -> Pass:
            check()
            this.forward(program.segments[-1])
            if not program.want.logits:
                return this
            rows = slice(ends[this.index], ends[this.index + 1])
            if loss is not None and target is not None:
                this.seed_loss(loss, inside(target[rows]), scale)
            elif cotangent is not None:
                this.seed(inside(cotangent[rows]))
            if program.want.backward:
                this.backward(program.segments[-1])
            return this

        outputs: list[list[Array]] = []
        total = 0.0
        for done in self.pool.map(finish, passes):
            total += done.loss
            outputs.append(done.outputs())
            done.values.clear()
            if not adjoints:
                _add(grads, done)
        if program.want.backward and adjoints:
            self._back(program, passes, adjoints, check)
            for done in passes:
                _add(grads, done)
        return Result(
            {name: _joined([some[i] for some in outputs]) for i, (name, _) in enumerate(program.outputs)},
            total * scale,
            {
                name: _joined([turned_out(this.gradients[value]) for this in passes])
                for name, value in program.gradients
            },
            {op.layer: value for op, (value, _) in zip(program.barriers, adjoints, strict=True)},
        )

    def _cross(
        self, op: Op, segment: tuple[Op, ...], passes: list[Pass], check: Check
    ) -> tuple[Array, Callable[[Array], list[Array]]]:
        """Forward up to a barrier: combines the parts in order and hands the whole to everybody."""

        def forward(this: Pass) -> None:
            check()
            this.forward(segment)

        for _ in self.pool.map(forward, passes):
            pass
        assert op.reduced is not None
        value, adjoint = op.reduced.combine([this.values[op.output] for this in passes])
        for this in passes:
            this.values[op.output] = value
        return value, adjoint

    def _back(
        self,
        program: Program,
        passes: list[Pass],
        adjoints: list[tuple[Array, Callable[[Array], list[Array]]]],
        check: Check,
    ) -> None:
        """Backward through the segments before the last: gradients of a barrier's value are summed in order."""
        steps = list(zip(program.barriers, program.segments[:-1], adjoints, strict=True))
        for op, segment, (_, adjoint) in reversed(steps):
            parts = [this.gradients.pop(op.output, None) for this in passes]
            known = [part for part in parts if part is not None]
            if known:
                total = known[0].copy()
                for part in known[1:]:
                    total += part
                for this, dpart in zip(passes, adjoint(total), strict=True):
                    this.gradients[op.output] = dpart

            def backward(this: Pass, segment: tuple[Op, ...] = segment) -> None:
                check()
                this.backward(segment)

            for _ in self.pool.map(backward, passes):
                pass


def _warm_up(_: int) -> None:
    """A product that is large enough to touch all pages of the work space that BLAS keeps for a thread.

    OpenBLAS prefetches beyond what a product uses; where the pages are not there yet, that may cost more than the
    product, each time, in every process that never meets a large one.
    """
    np.ones((256, 384), np.float32) @ np.ones((384, 512), np.float32)


def _width(target: Array) -> int:
    return int(target.shape[1]) if target.ndim == 2 else 1


def _add(grads: Mapping[str, Array], done: Pass) -> None:
    """Adds a microbatch's gradients, the first by assignment."""
    for name, total in grads.items():
        grad = done.grads.pop(name, None)
        if grad is None:
            continue
        if done.index:
            total += grad
        elif grad is not total:
            total[...] = grad


def _joined(parts: list[Array]) -> Array:
    return parts[0].copy() if len(parts) == 1 else np.concatenate(parts)
