"""The models of the campaign, and pools of bodies for their verbs: many requests, few bytes."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy

from convserve_client.architectures import lenet5, simple_cnn
from convserve_wire.envelope import encode_request

BATCH = 8
POOL = 6
SAMPLES = 3
TRAINING = {"optimizer": {"name": "adam", "learning_rate": 1e-3}}
SMALL = {"architecture": simple_cnn(), "training": TRAINING, "seed": 1}
LENET = {"architecture": lenet5(), "training": TRAINING, "seed": 2}
WRITTEN: dict[str, dict[str, Any]] = {"small": SMALL, "lenet": LENET}  # what the writers share
FITTED = "fitted"  # what the job has for itself
SPECIFICATIONS = {**WRITTEN, FITTED: {**SMALL, "seed": 3}}


@dataclass(frozen=True)
class Body:
    """Bytes, the length of their JSON header, and the optimizer steps that they ask for."""

    data: bytes
    header_length: str | None = None
    steps: int = 0


@dataclass(frozen=True)
class Subject:
    """A model and what can be sent to it; readers send `infer` and `gradients`, by number."""

    name: str
    train: tuple[Body, ...]
    step: tuple[Body, ...]
    weights: tuple[Body, ...]
    infer: tuple[Body, ...]
    gradients: tuple[Body, ...]


def subject(name: str, weights: bytes) -> Subject:
    """The subject of that name; `weights` is what GET weights gave for its first version."""
    random = np.random.default_rng(len(name))
    tensors = safetensors.numpy.load(weights)
    return Subject(
        name,
        tuple(_train(name, rows, random) for rows in (3, BATCH, BATCH + 4, 2 * BATCH, 3 * BATCH - 1, 3 * BATCH)),
        tuple(_step(_noise(tensors, 0.1, random)) for _ in range(POOL)),
        tuple(Body(safetensors.numpy.save(_noise(tensors, 0.1, random))) for _ in range(POOL)),
        tuple(Body(*encode_request({"x": rows(name, 2, random)[0]})) for _ in range(SAMPLES)),
        tuple(Body(*encode_request(dict(zip("xy", rows(name, 2, random), strict=True)))) for _ in range(SAMPLES)),
    )


def rows(name: str, n: int, random: np.random.Generator) -> tuple[Any, Any]:
    """x uint8 [n,C,H,W] and y int64 [n]."""
    architecture = SPECIFICATIONS[name]["architecture"]
    classes = architecture["layers"][-1]["out_features"]
    return random.integers(0, 256, (n, *architecture["input"]), np.uint8), random.integers(0, classes, n)


def specification(name: str) -> bytes:
    """The body that creates it."""
    return json.dumps(SPECIFICATIONS[name]).encode()


def _train(name: str, n: int, random: np.random.Generator) -> Body:
    inputs = dict(zip("xy", rows(name, n, random), strict=True))
    options = {"batch_size": BATCH, "shuffle_seed": int(random.integers(100))}
    return Body(*encode_request(inputs, options=options), steps=-(-n // BATCH))


def _step(gradients: dict[str, Any]) -> Body:
    inputs = {f"grad/{name}": gradient for name, gradient in gradients.items()}
    return Body(*encode_request(inputs), steps=1)


def _noise(tensors: dict[str, Any], scale: float, random: np.random.Generator) -> dict[str, Any]:
    return {name: (scale * random.standard_normal(value.shape)).astype("f4") for name, value in tensors.items()}
