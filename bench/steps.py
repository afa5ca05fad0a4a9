"""The same training twice: in this process, and over HTTP. Both go on from the state that they made last."""

import hashlib
import time
from typing import Any

from convserve_client import Model
from convserve_model import Engine, Snapshot, safetensors
from convserve_service.specification import Specification

BATCH = 64


class InProcess:
    """What the service computes for a train request, without the service."""

    def __init__(self, engine: Engine, specification: Specification) -> None:
        self._engine = engine
        self._specification = specification
        self._snapshot = Snapshot.initial(specification.network, specification.training, seed=specification.seed)

    def __call__(self, x: Any, y: Any) -> float:
        """Seconds to train on x (uint8) and y in batches."""
        spec = self._specification
        started = time.perf_counter()
        self._snapshot, _ = self._engine.train(
            spec.network, spec.training, self._snapshot, spec.preprocess.normalize(x), y, batch_size=BATCH,
            seed=spec.seed,
        )  # fmt: skip
        return time.perf_counter() - started

    def digest(self) -> str:
        """Of the state, as the service tells it."""
        return f"sha256:{hashlib.sha256(b''.join(safetensors.serialize(*self._snapshot.to_tensors()))).hexdigest()}"


class OverHttp:
    """One request, which is durable and applied once when it is answered."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._digest = ""

    def __call__(self, x: Any, y: Any) -> float:
        """Seconds to train on x (uint8) and y in batches."""
        started = time.perf_counter()
        made = self._model.train(x, y, batch_size=BATCH)
        seconds = time.perf_counter() - started
        self._digest = made.digest
        return seconds

    def digest(self) -> str:
        return self._digest
