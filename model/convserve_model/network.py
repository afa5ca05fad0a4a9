"""An architecture: named layers in order, each reading earlier ones, so that residual and branching nets are a list."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from functools import cached_property
from math import prod
from typing import Any

from convserve_model.errors import ArchitectureError, OptionError, ShapeError, told
from convserve_model.layers import LAYERS
from convserve_model.protocols import Layer, Shape, Spec
from convserve_model.values import dataclass

NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
LONGEST = 1 << 30  # side of an input
RESERVED = frozenset({"x", "y", "logits", "loss", "cotangent"})
TYPES = {layer: name for name, layer in LAYERS.items()}


@dataclass(frozen=True)
class Node:
    """A layer in its place: its name and the names of the values that it reads."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Network:
    """A checked architecture; hashable, holds no arrays. Shapes are per sample."""

    input: tuple[int, int, int]
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        if len(self.input) != 3 or any(type(v) is not int or not 1 <= v <= LONGEST for v in self.input):
            raise ArchitectureError(
                f"input is {told(list(self.input))}, but it must be [channels, height, width], each from 1 to"
                f" {LONGEST}",
                "input",
            )
        if not self.nodes:
            raise ArchitectureError("layers is empty, but a network has at least one layer", "layers")
        _check_names(self.nodes)
        last = self.shapes[self.nodes[-1].name]
        if len(last) != 1:
            raise ArchitectureError(
                f"the last layer '{self.nodes[-1].name}' gives shape {list(last)}, but it must give [classes];"
                " end with flatten and linear",
                f"layers[{len(self.nodes) - 1}]",
            )

    def __hash__(self) -> int:
        return self._hash

    @classmethod
    def from_dict(cls, spec: Mapping[str, Any]) -> "Network":
        """From the JSON form `{"input": [C,H,W], "layers": [{"type": ..., ...}]}`; an error names the layer."""
        unknown = set(spec) - {"input", "layers"}
        if unknown or not {"input", "layers"} <= set(spec):
            raise ArchitectureError(f"an architecture has 'input' and 'layers', but it got {told(sorted(spec))}")
        nodes: list[Node] = []
        for position, entry in enumerate(spec["layers"]):
            previous = nodes[-1].name if nodes else "x"
            nodes.append(_node(position, dict(entry), previous))
        return cls(tuple(spec["input"]), tuple(nodes))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form with every default filled in."""
        layers = [
            {"type": TYPES[_plain(node.layer)], "name": node.name, "inputs": list(node.inputs), **_options(node.layer)}
            for node in self.nodes
        ]
        return {"input": list(self.input), "layers": layers}

    @cached_property
    def _hash(self) -> int:
        """Of a long description, and asked for with every request."""
        return hash((self.input, self.nodes))

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """The shape of `x` and of every layer's output."""
        shapes: dict[str, Shape] = {"x": self.input}
        for position, node in enumerate(self.nodes):
            got = tuple(shapes[name] for name in node.inputs)
            try:
                shapes[node.name] = node.layer.output(*got)
            except ShapeError as error:
                sources = ", ".join(
                    f"{list(shape)} from '{name}'" for name, shape in zip(node.inputs, got, strict=True)
                )
                raise ArchitectureError(
                    f"layer '{node.name}' ({TYPES[_plain(node.layer)]}) got {sources}, but it needs {error.needed}",
                    f"layers[{position}]",
                ) from error
        return shapes

    @cached_property
    def specs(self) -> dict[str, Spec]:
        """Every parameter and buffer under its full name, `layer.parameter`, in order."""
        return {
            f"{node.name}.{name}": spec
            for node in self.nodes
            for name, spec in node.layer.weights(*(self.shapes[name] for name in node.inputs)).items()
        }

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of what training moves, in order."""
        return tuple(name for name, spec in self.specs.items() if spec.trainable)

    @cached_property
    def parameter_count(self) -> int:
        return sum(prod(self.specs[name].shape) for name in self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.nodes)

    @property
    def classes(self) -> int:
        return self.shapes[self.nodes[-1].name][0]

    @property
    def last(self) -> Node:
        return self.nodes[-1]


def _node(position: int, entry: dict[str, Any], previous: str) -> Node:
    kind, name = entry.pop("type", None), entry.pop("name", str(position))
    inputs = tuple(entry.pop("inputs", (previous,)))
    where = f"layers[{position}]"
    if kind not in LAYERS:
        raise ArchitectureError(f"layer '{name}' has type {told(kind)}, but the types are {', '.join(LAYERS)}", where)
    known = {field.name for field in fields(LAYERS[kind])}
    if extra := set(entry) - known:
        raise ArchitectureError(
            f"layer '{name}' ({kind}) has no option {told(sorted(extra))}; it has {sorted(known)}", where
        )
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    try:
        return Node(name, LAYERS[kind](**options), inputs)
    except OptionError as error:
        raise ArchitectureError(f"layer '{name}' ({kind}): {error}", f"{where}.{error.where}") from error
    except TypeError as error:
        missing = [f.name for f in fields(LAYERS[kind]) if f.name not in options and f.default is MISSING]
        raise ArchitectureError(f"layer '{name}' ({kind}) needs {', '.join(missing)}", where) from error


def _check_names(nodes: tuple[Node, ...]) -> None:
    seen: set[str] = {"x"}
    read: set[str] = set()
    for position, node in enumerate(nodes):
        where = f"layers[{position}]"
        if not isinstance(node.name, str) or not NAME.fullmatch(node.name) or node.name in RESERVED:
            raise ArchitectureError(
                f"layer name {told(node.name)} must be letters, digits and _, parts joined by dots, and none of"
                f" {', '.join(sorted(RESERVED))}",
                where,
            )
        if node.name in seen:
            raise ArchitectureError(f"layer name '{node.name}' is used twice; names must be unique", where)
        for source in node.inputs:
            if source not in seen:
                raise ArchitectureError(
                    f"layer '{node.name}' reads {told(source)}, but only x and earlier layers can be", where
                )
        seen.add(node.name)
        read.update(node.inputs)
    for position, node in enumerate(nodes[:-1]):
        if node.name not in read:
            raise ArchitectureError(
                f"layer '{node.name}' is read by no other layer; remove it or read it", f"layers[{position}]"
            )


def _plain(layer: Layer) -> type[Any]:
    """The class in LAYERS behind a layer that may be an instance of a validating subclass."""
    return next(cls for cls in type(layer).__mro__ if cls in TYPES)


def _options(layer: Layer) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(layer).items()}  # type: ignore[call-overload]
