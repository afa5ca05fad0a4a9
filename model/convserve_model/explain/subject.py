"""What is explained, and what every method gives."""

from collections.abc import Iterator
from typing import ClassVar, Protocol

import numpy as np

from convserve_model.engine import Engine
from convserve_model.network import Network
from convserve_model.prepare import microbatch
from convserve_model.protocols import Array, Check, nothing
from convserve_model.snapshot import Snapshot
from convserve_model.values import dataclass

MICROBATCHES = 2  # that go through the network at once, which bounds the memory
Found = dict[str, Array]


@dataclass(frozen=True)
class Subject:
    """Whose outputs are explained; `check` is called before each piece of the work and may raise."""

    engine: Engine
    network: Network
    snapshot: Snapshot
    check: Check = nothing

    def sensitivity(self, x: Array, target: Array, of: str = "x") -> tuple[Array, Array]:
        """(what `x` or a layer holds, the derivative of each row's target output with respect to it)."""
        self.check()
        cotangent = np.zeros((len(x), self.network.classes), x.dtype)
        cotangent[np.arange(len(x)), target] = 1
        return self.engine.sensitivity(self.network, self.snapshot, x, cotangent, of=of)

    def outputs(self, x: Array) -> Array:
        """[N,K], float64."""
        return self.engine.infer(self.network, self.snapshot, x)["logits"].astype(np.float64)

    def pieces(self, n: int) -> Iterator[slice]:
        """n rows, as many at once as memory is for."""
        size = MICROBATCHES * microbatch(self.network)
        return (slice(start, min(start + size, n)) for start in range(0, n, size))


class Method(Protocol):
    signed: ClassVar[bool]  # values below zero speak against the target; else there are none
    one_by_one: ClassVar[bool]  # it is called for each row, which then does not depend on those beside it

    @property
    def passes(self) -> int:
        """Rows that go through the network for each row of x."""
        ...

    def __call__(self, subject: Subject, x: Array, target: Array) -> Found:
        """`explanation` shaped like x, for a target [N] of its rows."""
        ...
