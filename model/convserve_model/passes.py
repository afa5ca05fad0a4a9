"""One microbatch on its way through a program: its values, its closures, its gradients. For one thread."""

from collections.abc import Callable, Sequence

import numpy as np

from convserve_model.losses import Loss
from convserve_model.prepare import Op, Program
from convserve_model.protocols import Array, Backward, Params, Run
from convserve_model.randomness import Purpose, generator


class Pass:
    """Forward and backward of one microbatch, segment by segment."""

    def __init__(self, program: Program, tensors: Params, x: Array, index: int, key: tuple[int, int]) -> None:
        self.program, self.tensors, self.index, self.key = program, tensors, index, key
        self.values: dict[str, Array] = {"x": x}
        self.closures: list[list[Backward]] = []
        self.gradients: dict[str, Array] = {}  # with respect to values
        self.grads: dict[str, Array] = {}  # with respect to parameters
        self.loss = 0.0

    def forward(self, segment: Sequence[Op]) -> None:
        """Computes the segment's values; keeps closures only if there will be a backward."""
        closures: list[Backward] = []
        for op in segment:
            operands = [self.values[name] for name in op.inputs]
            run = Run(op.need, op.need_params, self._random(op))
            self.values[op.output], closure = op.kernel.forward(op.weights(self.tensors), *operands, run=run)
            if self.program.want.backward:
                closures.append(closure)
            for name in op.last_use:
                del self.values[name]
        self.closures.append(closures)

    def seed_loss(self, loss: Loss, target: Array, scale: float) -> None:
        """Adds this microbatch's loss and starts the gradient from it."""
        logits = self.values[self.program.output]
        self.loss, gradient = loss(logits, target)
        self.gradients[self.program.output] = gradient * logits.dtype.type(scale)

    def seed(self, cotangent: Array) -> None:
        """Starts the gradient from dL/dlogits [K,n]."""
        self.gradients[self.program.output] = cotangent

    def backward(self, segment: Sequence[Op]) -> None:
        """Passes gradients back through the segment forwarded last."""
        for op, closure in zip(reversed(segment), reversed(self.closures.pop()), strict=True):
            dy = self.gradients.pop(op.output, None)
            if dy is None or not (any(op.need) or op.need_params):
                continue
            dxs, dparams = closure(dy)
            for name, dx in zip(op.inputs, dxs, strict=True):
                if dx is not None:
                    known = self.gradients.get(name)
                    self.gradients[name] = dx if known is None else known + dx
            full = dict(op.params)
            self.grads.update({full[short]: grad for short, grad in dparams.items()})

    def outputs(self) -> list[Array]:
        """What was asked for, batch first again."""
        return [np.moveaxis(self.values[value], -1, 0) for _, value in self.program.outputs]

    def _random(self, op: Op) -> Callable[[], np.random.Generator]:
        seed, step = self.key
        return lambda: generator(Purpose.DROPOUT, seed=seed, step=step, index=op.index, microbatch=self.index)
