"""Runs a program over microbatches on threads: the one place that knows about parallelism.

Microbatches and every sum over them follow the batch's order, so the bits do not depend on the number of threads.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from convserve_model.losses import Loss
from convserve_model.passes import Pass
from convserve_model.prepare import Op, Program
from convserve_model.protocols import Array, Params

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Result:
    """What a run gives; arrays are batch first and the caller's own."""

    outputs: dict[str, Array] = field(default_factory=dict)
    loss: float = 0.0
    grads: dict[str, Array] = field(default_factory=dict)
    dx: Array | None = None
    moments: dict[str, Array] = field(default_factory=dict)  # of each batch norm, by layer


class Executor:
    """A pool of `threads` compute threads, the caller among them; BLAS is set to one thread for the process."""

    def __init__(self, threads: int = 1) -> None:
        threadpool_limits(1, user_api="blas")
        quiet = partial(np.seterr, all="ignore")  # as `run` is, on threads of their own
        self._pool = ThreadPoolExecutor(threads - 1, "convserve-compute", quiet) if threads > 1 else None

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown()

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Results in order; the caller computes whatever no pool thread has begun."""
        if self._pool is None:
            yield from map(function, items)
            return
        waiting = [(self._pool.submit(function, item), item) for item in items]
        try:
            for future, item in waiting:
                yield function(item) if future.cancel() else future.result()
        finally:
            for future, _ in waiting:
                future.cancel()

    @np.errstate(all="ignore")
    def run(
        self,
        program: Program,
        tensors: Params,
        x: Array,
        *,
        loss: Loss | None = None,
        target: Array | None = None,
        cotangent: Array | None = None,
        key: tuple[int, int] = (0, 0),
    ) -> Result:
        """x [N,C,H,W], target [N] or [N,K], cotangent [N,K]; `key` is (seed, step) of what is random.

        What overflows becomes an infinity or a NaN without a warning: callers check what they keep.
        """
        ends = np.cumsum((0, *program.sizes)).tolist()
        pieces = [_batch_last(x[start:stop]) for start, stop in pairwise(ends)]
        passes = [Pass(program, tensors, piece, index, key) for index, piece in enumerate(pieces)]
        del pieces
        adjoints = [
            self._cross(op, segment, passes) for op, segment in zip(program.barriers, program.segments, strict=False)
        ]
        scale = 1.0
        if loss is not None and target is not None:
            scale = 1.0 / (x.shape[0] * (_width(target) if loss.per_element else 1))

        def finish(this: Pass) -> Pass:
            this.forward(program.segments[-1])
            rows = slice(ends[this.index], ends[this.index + 1])
            if not program.want.logits:
                return this
            if loss is not None and target is not None:
                this.seed_loss(loss, _batch_last(target[rows]), scale)
            elif cotangent is not None:
                this.seed(_batch_last(cotangent[rows]))
            if program.want.backward:
                this.backward(program.segments[-1])
            return this

        outputs: list[list[Array]] = []
        grads: dict[str, Array] = {}
        total = 0.0
        for done in self.map(finish, passes):
            total += done.loss
            outputs.append(done.outputs())
            done.values.clear()
            if len(program.segments) == 1:
                _accumulate(grads, done)
        if program.want.backward and adjoints:
            self._back(program, passes, adjoints)
            for done in passes:
                _accumulate(grads, done)
        return Result(
            outputs={name: np.concatenate([o[i] for o in outputs]) for i, (name, _) in enumerate(program.outputs)},
            loss=total * scale,
            grads=grads,
            dx=_input_gradient(passes) if program.want.input else None,
            moments={op.layer: value for op, (value, _) in zip(program.barriers, adjoints, strict=True)},
        )

    def _cross(
        self, op: Op, segment: tuple[Op, ...], passes: list[Pass]
    ) -> tuple[Array, Callable[[Array], list[Array]]]:
        """Forward up to a barrier: combines the parts in order and hands the whole to everybody."""
        for _ in self.map(lambda this: this.forward(segment), passes):
            pass
        assert op.reduced is not None
        value, adjoint = op.reduced.combine([this.values[op.output] for this in passes])
        for this in passes:
            this.values[op.output] = value
        return value, adjoint

    def _back(
        self, program: Program, passes: list[Pass], adjoints: list[tuple[Array, Callable[[Array], list[Array]]]]
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
            for _ in self.map(lambda this, segment=segment: this.backward(segment), passes):  # type: ignore[misc]
                pass


def _batch_last(array: Array) -> Array:
    """[N,...] -> [...,N], contiguous."""
    return np.ascontiguousarray(np.moveaxis(array, 0, -1))


def _width(target: Array) -> int:
    return int(target.shape[1]) if target.ndim == 2 else 1


def _accumulate(grads: dict[str, Array], done: Pass) -> None:
    for name, grad in done.grads.items():
        if name in grads:
            grads[name] += grad
        else:
            grads[name] = np.array(grad)
    done.grads = {}


def _input_gradient(passes: list[Pass]) -> Array:
    rows = [np.moveaxis(this.gradients["x"], -1, 0) for this in passes]
    return np.concatenate(rows)
