"""What a side makes of a task."""

from typing import Protocol

from bench.engine.cells import Array


class Work(Protocol):
    """A forward pass in evaluation, or a training step that goes on from the one before."""

    def __call__(self) -> object: ...

    def answer(self) -> dict[str, Array]:
        """Of one call: `logits` [N,K], or `loss` and every weight and buffer after the step."""
        ...
