"""What a model was created from, checked: network, training, preprocessing, labels and seed."""

import json
from math import prod
from typing import Any, NamedTuple

from convserve_model import ArchitectureError, Network, OptionError, Preprocess, Training
from convserve_wire.messages import ModelSpec

MAX_PARAMETERS = 50_000_000
MAX_ACTIVATIONS = 32_000_000  # numbers of one row, over all layers, with what is padded
MAX_MULTIPLICATIONS = 20_000_000_000  # of one row, forward: VGG-16 at 224 x 224 has 15 billion
REPEATED = {"cross_entropy": "softmax", "bce_with_logits": "sigmoid"}


class Specification(NamedTuple):
    """`text` is the JSON with every default filled in: equal text, equal model."""

    text: str
    network: Network
    training: Training
    preprocess: Preprocess
    labels: tuple[str, ...] | None
    seed: int


def from_message(message: ModelSpec) -> Specification:
    """Check what a client asks for; ArchitectureError and OptionError name the layer or field."""
    return _build(message.model_dump(mode="json", exclude_unset=True))


def from_text(text: str) -> Specification:
    """The inverse of `Specification.text`."""
    return _build(json.loads(text))


def _build(spec: dict[str, Any]) -> Specification:
    network = Network.from_dict(spec["architecture"])
    _check_size(network)
    training = Training.from_dict(spec.get("training", {}))
    preprocess = Preprocess.from_dict(spec.get("preprocess", {}), channels=network.input[0])
    labels, seed = spec.get("labels"), spec.get("seed", 0)
    _check_labels(labels, network)
    _check_last(network, training)
    filled = {
        "architecture": network.to_dict(),
        "labels": labels,
        "preprocess": preprocess.to_dict(),
        "training": training.to_dict(),
        "seed": seed,
    }
    text = json.dumps(filled, sort_keys=True)
    return Specification(text, network, training, preprocess, None if labels is None else tuple(labels), seed)


def _check_size(network: Network) -> None:
    for what, got, most in (
        ("parameters", network.parameter_count, MAX_PARAMETERS),
        ("activations a row", _activations(network), MAX_ACTIVATIONS),
        ("multiplications a row", _multiplications(network), MAX_MULTIPLICATIONS),
    ):
        if got > most:
            raise ArchitectureError(
                f"the network has {got:,} {what}, but this server takes at most {most:,}; make it smaller",
                "architecture",
            )


def _activations(network: Network) -> int:
    """Every layer's output, and its input with the padding around it."""
    total = sum(map(prod, network.shapes.values()))
    for node in network.nodes:
        window = getattr(node.layer, "window", None)
        if window is not None:
            (c, h, w), (vertical, horizontal) = network.shapes[node.inputs[0]], window.padding
            total += c * (h + 2 * vertical) * (w + 2 * horizontal)
    return total


def _multiplications(network: Network) -> int:
    """Each weight at each position of the output; of a pool, each element of each window."""
    total = 0
    for node in network.nodes:
        output = network.shapes[node.name]
        weights = [
            prod(spec.shape) for spec in node.layer.weights(*map(network.shapes.__getitem__, node.inputs)).values()
        ]
        window = getattr(node.layer, "window", None)
        total += max(weights, default=0) * prod(output[1:])
        total += prod(output) if weights or window is None else prod(output) * prod(window.size)
    return total


def _check_labels(labels: list[str] | None, network: Network) -> None:
    if labels is not None and len(labels) != network.classes:
        raise OptionError(f"there are {len(labels)} labels, but the network has {network.classes} outputs", "labels")
    if labels is not None and len(set(labels)) != len(labels):
        raise OptionError("two labels are the same; each class needs its own", "labels")


def _check_last(network: Network, training: Training) -> None:
    last = network.to_dict()["layers"][-1]["type"]
    loss = training.to_dict()["loss"]["name"]
    if REPEATED.get(loss) == last:
        raise ArchitectureError(
            f"the network ends in {last}, which the loss {loss} computes itself; remove the last layer",
            f"architecture.layers[{len(network.nodes) - 1}]",
        )
