"""The tensors of a request, checked against what the verb takes and brought into the form that the engine takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Request

from convserve_model import InputError, Training
from convserve_service.errors import LimitError, ModelUnloaded, RequestError
from convserve_service.live import Live
from convserve_wire.messages import FitRequest, OurRequest
from convserve_wire.numbers import whole
from convserve_wire.tensors import Array


def take(tensors: Mapping[str, Array], required: Sequence[str], optional: Sequence[str] = ()) -> Mapping[str, Array]:
    """The tensors, when all required ones are there and no other than the optional ones."""
    known = [*required, *optional]
    for name in required:
        if name not in tensors:
            raise RequestError(f"the input '{name}' is missing; this verb takes {', '.join(known)}", "inputs")
    for name in tensors:
        if name not in known:
            raise RequestError(f"there is an input '{name[:80]}', but this verb takes {', '.join(known)}", "inputs")
    return tensors


def rows(live: Live, x: Array, most: int) -> Any:
    """x as the network's float32 input; InputError and LimitError say what does not fit."""
    shape = live.specification.network.input
    if x.ndim != 4 or x.shape[1:] != shape or not len(x):
        raise InputError(
            f"x has shape {list(x.shape)}, but the model needs {['N', *shape]} with N of at least 1".replace("'", ""),
            "x",
        )
    if len(x) > most:
        raise LimitError(f"x has {len(x)} rows, but one request may have {most}; send several", "x")
    return live.specification.preprocess.normalize(x)


def prefixed(tensors: Mapping[str, Array], prefix: str, others: Sequence[str]) -> dict[str, Array]:
    """The tensors `<prefix><name>` by name; a tensor with none of the prefixes is refused."""
    known = (prefix, *others)
    for name in tensors:
        if not name.startswith(known):
            raise RequestError(
                f"there is an input '{name[:80]}', but its name must start with {' or '.join(known)}", "inputs"
            )
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}


def loaded(live: Live) -> None:
    """ModelUnloaded unless the model answers."""
    if not live.row.loaded:
        name = live.row.name
        raise ModelUnloaded(f"model '{name}' is unloaded; load it with POST /v2/repository/models/{name}/load")


def training(base: Training, message: OurRequest | FitRequest) -> Training:
    """The model's way of learning with the numbers that this request overrides."""
    return base.override(overrides(message))


def hyperparameters(message: OurRequest, row_count: int | None = None) -> dict[str, Any]:
    """The options of a request that made a version, for its history."""
    options = message.model_dump(exclude_unset=True, exclude={"id", "inputs", "outputs", "parameters"})
    return options if row_count is None else {**options, "rows": row_count}


def overrides(message: OurRequest | FitRequest) -> dict[str, Any]:
    """The numbers of the model's training that a request changes for itself."""
    asked = message.model_dump(exclude_unset=True, include={"loss", "optimizer", "schedule", "clip_grad_norm"})
    return {name: value for name, value in asked.items() if value is not None or name == "clip_grad_norm"}


def number(request: Request, name: str, most: int) -> int | None:
    """A number of the query from 1 to `most`, None where it is not there."""
    text = request.args.get(name)
    if text is None:
        return None
    found = whole(text)
    if found is None or not 1 <= found <= most:
        raise RequestError(f"{name} is {text[:40]!r}, but it must be a number from 1 to {most}", name)
    return found
