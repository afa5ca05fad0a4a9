"""What a prediction rests on: how it is asked for, as an envelope or as the query of a picture."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict
from urllib.parse import urlencode

import numpy as np

from convserve_client.errors import ConvserveError
from convserve_wire.tensors import Array

Method = Literal["saliency", "input_x_gradient", "integrated_gradients", "smoothgrad", "grad_cam"]
COMPLETENESS = "integrated_gradients"  # the method that tells how complete it is


class ExplainOptions(TypedDict, total=False):
    """Numbers of a method: `steps` and `baseline` of integrated_gradients, `samples`, `noise` and `seed` of smoothgrad,
    `layer` of grad_cam."""

    steps: int
    baseline: float | Sequence[float]
    samples: int
    noise: float
    seed: int
    layer: str


def inputs(x: Array, target: Any) -> dict[str, Array]:
    """x, and where it is given the target as class indices: one for each row, or one for all of them."""
    if target is None:
        return {"x": x}
    indices = np.asarray(target)
    if indices.dtype.kind not in "iu":
        raise ConvserveError(f"target is {indices.dtype}, but it must be the number of a class, or one for each row")
    return {"x": x, "target": indices if indices.ndim else np.full(x.shape[:1], indices)}


def row(shape: tuple[int, ...]) -> tuple[int, ...]:
    """[H,W] or [C,H,W] as one row of x."""
    return (1,) * (4 - len(shape)) + shape


def outputs(method: str) -> list[str]:
    """All that a method gives."""
    return ["explanation", "target", *(["completeness_error"] if method == COMPLETENESS else [])]


def query(options: Mapping[str, Any]) -> str:
    """Options of a picture, None left out; ConvserveError where one is no single number or name."""
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if not isinstance(value, (str, int, float)):
            raise ConvserveError(f"{name} of a picture must be one value, not {value!r}; send a float array for more")
    return urlencode(given)
