"""How an image becomes the network's input; the decoding and resizing of pictures is the service's."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from convserve_model import ranges
from convserve_model.errors import InputError, OptionError, told
from convserve_model.protocols import Array
from convserve_model.values import dataclass

COLORS = {1: "L", 3: "RGB"}
TINY, HUGE = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Preprocess:
    """(pixel * scale - mean) / std for each channel; `color` None means that pictures are not accepted."""

    channels: int
    color: Literal["L", "RGB"] | None
    resize: Literal["stretch", "fit", "fill"] = "stretch"
    scale: float = 1 / 255
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    invert: bool = False

    def __post_init__(self) -> None:
        wanted = COLORS.get(self.channels)
        ranges.check("color", self.color, self.color == wanted, f"{wanted!r} for {self.channels} input channels")
        ranges.check("resize", self.resize, self.resize in ("stretch", "fit", "fill"), "stretch, fit or fill")
        ranges.number("scale", self.scale, _divides, "a number above 0 that float32 holds")
        for name, values in (("mean", self.mean), ("std", self.std)):
            ranges.check(name, values, len(values) == self.channels, f"{self.channels} numbers, one for each channel")
        for value in self.mean:
            ranges.number("mean", value, lambda v: abs(v) <= HUGE, "a number that float32 holds")
        for value in self.std:
            ranges.number("std", value, _divides, "a number above 0 that float32 holds")
        ranges.boolean("invert", self.invert)

    @classmethod
    def from_dict(cls, spec: Mapping[str, Any], *, channels: int) -> "Preprocess":
        """From the JSON form, all members optional; mean and std are a number or a list."""
        known = {"color", "resize", "scale", "mean", "std", "invert"}
        if extra := sorted(set(spec) - known):
            raise OptionError(
                f"preprocess has no field {told(', '.join(extra))}; it has {', '.join(sorted(known))}", "preprocess"
            )
        options = {key: value for key, value in spec.items() if value is not None}
        options.setdefault("color", COLORS.get(channels))
        for name, default in (("mean", 0.0), ("std", 1.0)):
            options[name] = _channels(options.get(name, default), channels)
        return cls(channels=channels, **options)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form with every default filled in."""
        spec = asdict(self)
        del spec["channels"]
        return {**spec, "mean": list(self.mean), "std": list(self.std)}

    def normalize(self, x: Array) -> Array:
        """[N,C,H,W] -> float32: uint8 is scaled and normalized, finite floating-point values are taken as they are."""
        if x.dtype == np.uint8:
            mean, std = (np.asarray(v, np.float32)[:, None, None] for v in (self.mean, self.std))
            return np.asarray((x * np.float32(self.scale) - mean) / std)
        if x.dtype.kind != "f":
            raise InputError(f"x has dtype {x.dtype}, but it must be uint8 or floating-point", "x")
        if x.dtype == np.float32:
            return x
        with np.errstate(over="ignore"):
            converted = x.astype(np.float32)
        if not np.isfinite(converted).all():
            raise InputError("x holds a value too large for float32", "x")
        return converted

    def pixels(self, x: Array) -> Array:
        """[...,C,H,W] -> uint8: the inverse of `normalize`, as near as pixels can show it."""
        mean, std = (np.asarray(v, np.float32)[:, None, None] for v in (self.mean, self.std))
        with np.errstate(over="ignore"):
            scaled = (x * std + mean) / np.float32(self.scale)
        return np.asarray(np.rint(np.clip(scaled, 0, 255)).astype(np.uint8))


def _divides(value: float) -> bool:
    return TINY <= value <= HUGE


def _channels(value: Any, channels: int) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,) * channels
