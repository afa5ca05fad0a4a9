"""One microbatch on its way through a program: its values, its closures, its gradients. For one thread."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from convserve_model.border import turned_out
from convserve_model.losses import Loss
from convserve_model.ops import Op
from convserve_model.prepare import Program
from convserve_model.protocols import Array, Backward, Params, Run
from convserve_model.randomness import Purpose, generator


class Pass:
    """Forward and backward of one microbatch, segment by segment.

    `weights` are what each op computes with, by its output; `into` is where gradients of parameters may go.
    """

    def __init__(
        self,
        program: Program,
        weights: Mapping[str, Params],
        x: Array,
        *,
        index: int,
        key: tuple[int, int],
        over: Callable[..., Any],
        into: Mapping[str, Array],
    ) -> None:
        self.index = index
        self.values: dict[str, Array] = {"x": x}
        self.grads: dict[str, Array] = {}  # with respect to parameters
        self.gradients: dict[str, Array] = {}  # with respect to values
        self.loss = 0.0
        self._program, self._weights, self._key, self._over, self._into = program, weights, key, over, into
        self._closures: list[list[Backward]] = []

    def forward(self, segment: Sequence[Op]) -> None:
        """Computes the segment's values; keeps closures only if there will be a backward."""
        closures: list[Backward] = []
        keep, values = self._program.want.backward, self.values
        for op in segment:
            operands = [values[name] for name in op.inputs]
            y, closure = op.kernel.forward(self._weights[op.output], *operands, run=self._run(op))
            values[op.output] = y
            if keep:
                closures.append(closure)
            for name in op.last_use:
                del values[name]
        self._closures.append(closures)

    def seed_loss(self, loss: Loss, target: Array, scale: float) -> None:
        """Adds this microbatch's loss and starts the gradient from it."""
        logits = self.values[self._program.output]
        self.loss, gradient = loss(logits, target)
        self.gradients[self._program.output] = gradient * logits.dtype.type(scale)

    def seed(self, cotangent: Array) -> None:
        """Starts the gradient from dL/dlogits [K,n]."""
        self.gradients[self._program.output] = cotangent

    def backward(self, segment: Sequence[Op]) -> None:
        """Passes gradients back through the segment forwarded last."""
        closures = self._closures.pop()
        for op in reversed(segment):
            closure = closures.pop()
            take = self.gradients.get if op.output in self._program.kept else self.gradients.pop
            dy = take(op.output, None)
            if dy is None or not (op.need_params or any(op.need)):
                continue
            dxs, dparams = closure(dy)
            fresh = getattr(op.kernel, "fresh", False)
            for name, dx in zip(op.inputs, dxs, strict=True):
                if dx is not None:
                    known = self.gradients.get(name)
                    self.gradients[name] = dx if known is None else np.add(known, dx, out=dx if fresh else None)
            if dparams:
                full = dict(op.params)
                self.grads.update({full[short]: grad for short, grad in dparams.items()})

    def outputs(self) -> list[Array]:
        """What was asked for, batch first again."""
        return [turned_out(self.values[value]) for _, value in self._program.outputs]

    def _run(self, op: Op) -> Run:
        into = {short: self._into[full] for short, full in op.params if full in self._into} if self._into else None
        return Run(op.need, op.need_params, lambda: self._random(op), self._over, op.overwrite, None, into, op.spend)

    def _random(self, op: Op) -> "np.random.Generator":
        seed, step = self._key
        return generator(Purpose.DROPOUT, seed=seed, step=step, index=op.index, microbatch=self.index)
