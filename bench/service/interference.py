"""What predictions notice of a job that trains the model that they ask: in turn without one and with one."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bench.connections import Call
from bench.footprint.states import TRAINING
from bench.processes import until
from bench.service.agreement import pixels
from bench.service.loads import Steady, steady
from bench.service.plan import Plan
from bench.service.questions import JSON
from bench.service.running import Running
from convserve_client import Client, Model
from convserve_client.samples import digits
from convserve_wire import paths

DATASET, TRAINED = "digits", "trained"
CONNECTIONS = 8
EPOCHS = 1000  # no phase sees their end
PATIENCE = 60.0


@dataclass(frozen=True)
class Round:
    """Predictions at the same constant rate while nothing else is done, and while a job trains."""

    idle: Steady
    training: Steady


def during_training(ours: Running, rate: float, plan: Plan, order: random.Random) -> list[Round]:
    """Both phases in each round, in random order; `rate` in requests/s."""
    call = replace(ours.side.questions[JSON].ask(*pixels(1)), path=paths.fill(paths.INFER, model=TRAINED))
    with Client(ours.server.url) as client:
        model = client.create(TRAINED, "lenet5", training=TRAINING)
        client.put_dataset(DATASET, digits().train_images, digits().train_labels)

        def phase(name: str) -> Steady:
            if name == "idle":
                return _asked(ours, call, rate, plan)
            with _training(model):
                return _asked(ours, call, rate, plan)

        phase("training")  # it warms up
        rounds = [
            {name: phase(name) for name in order.sample(("idle", "training"), 2)} for _ in range(plan.training_rounds)
        ]
    return [Round(**found) for found in rounds]


def _asked(ours: Running, call: Call, rate: float, plan: Plan) -> Steady:
    return steady(ours, call, CONNECTIONS, plan.seconds, rate)


@contextmanager
def _training(model: Model) -> Iterator[None]:
    """A job that has made its first steps when the block begins; it has ended when the block does."""
    job = model.fit(dataset=DATASET, epochs=EPOCHS, wait=False)
    try:
        assert until(lambda: job.status().step > 0, PATIENCE), f"the job made no step: {job.status()}"
        yield
        assert not job.status().finished, f"the job ended during the phase: {job.status()}"
    finally:
        job.cancel()
        assert until(lambda: job.status().finished, PATIENCE), f"the job does not end: {job.status()}"
