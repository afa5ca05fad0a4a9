"""The engine of this project, as the service runs it."""

from functools import cache
from itertools import repeat

import numpy as np

from bench.engine.cells import LEARNING_RATE, MOMENTUM, TRAIN, Array, Task
from bench.engine.work import Work
from convserve_model import Engine, Network, Snapshot, Training
from convserve_service.memory import keep_freed

TRAINING = Training.from_dict(
    {
        "optimizer": {"name": "sgd", "learning_rate": LEARNING_RATE, "momentum": MOMENTUM},
        "loss": {"name": "cross_entropy"},
    }
)


def prepare(task: Task, threads: int) -> Work:
    network = Network.from_dict(task.architecture)
    snapshot = Snapshot.from_weights(network, task.weights)
    return (Step if task.mode == TRAIN else Inference)(_engine(threads), network, snapshot, task)


class Inference:
    """The logits of x."""

    def __init__(self, engine: Engine, network: Network, snapshot: Snapshot, task: Task) -> None:
        self._engine, self._network, self._snapshot, self._x = engine, network, snapshot, task.x

    def __call__(self) -> dict[str, Array]:
        return self._engine.infer(self._network, self._snapshot, self._x)

    def answer(self) -> dict[str, Array]:
        return self()


class Step:
    """One optimizer step on x and y after the other, as a job of the service takes them."""

    def __init__(self, engine: Engine, network: Network, snapshot: Snapshot, task: Task) -> None:
        self._snapshot = snapshot
        self._steps = engine.steps(network, TRAINING, snapshot, repeat((task.x, task.y)))

    def __call__(self) -> float:
        self._snapshot, loss = next(self._steps)
        return loss

    def answer(self) -> dict[str, Array]:
        return {"loss": np.array(self()), **self._snapshot.weights()}


@cache
def _engine(threads: int) -> Engine:
    keep_freed()
    return Engine(threads)
