"""Logits into what a person reads: probabilities, labels, the best classes."""

import numpy as np
import numpy.typing as npt

from convserve_model import Evaluation
from convserve_service.errors import RequestError
from convserve_service.specification import Specification
from convserve_wire.errors import NonFiniteOutput
from convserve_wire.replies import ClassCount, Prediction
from convserve_wire.tensors import Array


def best(specification: Specification, logits: Array, top_k: int) -> list[Prediction]:
    """For each row `{"top": [{index, label, probability}]}`, the most probable first.

    Softmax for cross_entropy, sigmoid for bce_with_logits; other losses give every output as `value`, in their order.
    """
    finite("an output", logits)
    name = specification.training.to_dict()["loss"]["name"]
    k = min(top_k, logits.shape[1])
    if name == "cross_entropy":
        return [_top(specification, row, k) for row in _softmax(logits)]
    if name == "bce_with_logits":
        with np.errstate(over="ignore"):
            return [_top(specification, row, k) for row in 1 / (1 + np.exp(-logits.astype(np.float64)))]
    return [
        {"top": [{"index": i, "label": label(specification, i), "value": float(row[i])} for i in range(k)]}
        for row in logits
    ]


def finite(what: str, values: Array | float) -> None:
    """NonFiniteOutput where JSON has no number for a value."""
    if not np.isfinite(values).all():
        raise NonFiniteOutput(
            f"{what} is a NaN or an infinity, which JSON cannot carry; x or the weights are too large"
        )


def label(specification: Specification, index: int) -> str:
    """The class's name; its number where the model has no labels."""
    return str(index) if specification.labels is None else specification.labels[index]


def classification(specification: Specification, logits: Array, k: int) -> Array:
    """V2's classification extension: BYTES [N,k] of `value:index:label`, the largest first."""
    if not 1 <= k <= logits.shape[1]:
        raise RequestError(f"classification is {k}, but the model has {logits.shape[1]} classes", "outputs")
    texts = [
        [f"{row[i]:f}:{i}:{label(specification, i)}".encode() for i in np.argsort(-row, kind="stable")[:k].tolist()]
        for row in logits
    ]
    return np.array(texts, dtype=object)


def _softmax(logits: Array) -> npt.NDArray[np.float64]:
    exp = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=1, keepdims=True))


def _top(specification: Specification, row: Array, k: int) -> Prediction:
    order = np.argsort(-row, kind="stable")[:k].tolist()
    return {"top": [{"index": i, "label": label(specification, i), "probability": float(row[i])} for i in order]}


def per_class(specification: Specification, judged: Evaluation) -> list[ClassCount]:
    """`{index, label, count, correct}` of every class; empty where targets are no classes."""
    if judged.count_per_class is None or judged.correct_per_class is None:
        return []
    pairs = zip(judged.count_per_class.tolist(), judged.correct_per_class.tolist(), strict=True)
    return [
        {"index": i, "label": label(specification, i), "count": count, "correct": correct}
        for i, (count, correct) in enumerate(pairs)
    ]
