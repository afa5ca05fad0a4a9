"""How a model learns: loss, optimizer, schedule and clipping, as one immutable description."""

from collections.abc import Mapping
from dataclasses import asdict, field, fields, replace
from typing import Any

from convserve_model import ranges
from convserve_model.errors import OptionError, told
from convserve_model.losses import LOSSES, CrossEntropy, Loss
from convserve_model.optimizers import OPTIMIZERS, SGD, Optimizer
from convserve_model.schedules import SCHEDULES, Constant, Schedule
from convserve_model.values import dataclass

FAMILIES: dict[str, dict[str, type[Any]]] = {
    "loss": dict(LOSSES),
    "optimizer": dict(OPTIMIZERS),
    "schedule": dict(SCHEDULES),
}


@dataclass(frozen=True)
class Training:
    """Loss, optimizer, schedule and the largest norm of a gradient (None: any)."""

    loss: Loss = field(default_factory=CrossEntropy)
    optimizer: Optimizer = field(default_factory=SGD)
    schedule: Schedule = field(default_factory=Constant)
    clip_grad_norm: float | None = None

    def __post_init__(self) -> None:
        if self.clip_grad_norm is not None:
            ranges.number("clip_grad_norm", self.clip_grad_norm, lambda v: v > 0, "a number above 0, or null")

    @classmethod
    def from_dict(cls, spec: Mapping[str, Any]) -> "Training":
        """From `{"loss": {"name": ..., ...}, "optimizer": ..., "schedule": ..., "clip_grad_norm": ...}` or less."""
        _known("training", spec, {*FAMILIES, "clip_grad_norm"})
        parts = {part: _make(part, dict(spec[part])) for part in FAMILIES if spec.get(part) is not None}
        return cls(**parts, clip_grad_norm=spec.get("clip_grad_norm"))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form with every default filled in."""
        return {part: _describe(part, getattr(self, part)) for part in FAMILIES} | {
            "clip_grad_norm": self.clip_grad_norm
        }

    def override(self, changes: Mapping[str, Any]) -> "Training":
        """With other numbers of the same families; OptionError where a name differs from the model's."""
        _known("training", changes, {*FAMILIES, "clip_grad_norm"})
        parts: dict[str, Any] = {}
        for part in FAMILIES:
            if changes.get(part) is not None:
                parts[part] = _override(part, getattr(self, part), dict(changes[part]))
        if "clip_grad_norm" in changes:
            parts["clip_grad_norm"] = changes["clip_grad_norm"]
        return replace(self, **parts)


def _make(part: str, options: dict[str, Any]) -> Any:
    name = options.pop("name", None)
    if name not in FAMILIES[part]:
        raise OptionError(
            f"{part} name is {told(name)}, but it must be one of {', '.join(FAMILIES[part])}", f"{part}.name"
        )
    family = FAMILIES[part][name]
    _known(f"{part} {name}", options, {f.name for f in fields(family)})
    try:
        return family(**_tuples(options))
    except OptionError as error:
        raise OptionError(f"{part} {name}: {error}", f"{part}.{error.where}") from error
    except TypeError as error:
        raise OptionError(
            f"{part} {name} lacks a field; it has {', '.join(f.name for f in fields(family))}", part
        ) from error


def _override(part: str, current: Any, options: dict[str, Any]) -> Any:
    mine = _describe(part, current)
    name = options.pop("name", mine["name"])
    if name != mine["name"]:
        raise OptionError(
            f"{part} is {told(name)}, but this model's is {mine['name']!r}; its numbers may be overridden,"
            " its family not",
            f"{part}.name",
        )
    return _make(part, {**mine, **options})


def _describe(part: str, value: Any) -> dict[str, Any]:
    name = next(name for name, family in FAMILIES[part].items() if type(value) is family)
    return {"name": name, **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(value).items()}}


def _tuples(options: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}


def _known(what: str, got: Mapping[str, Any], known: set[str]) -> None:
    if extra := sorted(set(got) - known):
        raise OptionError(f"{what} has no field {told(', '.join(extra))}; it has {', '.join(sorted(known)) or 'none'}")
