"""One immutable state of a model: parameters, buffers, optimizer state and step count."""

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import Any

import numpy as np

from convserve_model.errors import WeightsError, some, told
from convserve_model.network import Network
from convserve_model.protocols import Array, Spec
from convserve_model.randomness import Purpose, generator
from convserve_model.training import Training
from convserve_model.values import dataclass
from convserve_model.vectors import Layout

SLOT = "optimizer/{slot}/{name}"


@dataclass(frozen=True)
class Snapshot:
    """Everything a training step reads and makes anew. Vectors are read-only and in the network's order.

    `step` counts optimizer steps since creation, `age` those since the optimizer's state began (after PUT weights it
    begins again; Adam's bias correction counts by it).
    """

    layout: Layout
    params: Array
    buffers: Mapping[str, Array]
    slots: Mapping[str, Array] = field(default_factory=dict)
    step: int = 0
    age: int = 0
    packed: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)  # the engine's, lazily

    def __post_init__(self) -> None:
        for array in (self.params, *self.buffers.values(), *self.slots.values()):
            array.flags.writeable = False

    @classmethod
    def initial(cls, network: Network, training: Training, *, seed: int, dtype: Any = np.float32) -> "Snapshot":
        """PyTorch's default initialisation, drawn from (seed, position of the tensor)."""
        tensors = {
            name: _initial(spec, seed, index, np.dtype(dtype))
            for index, (name, spec) in enumerate(network.specs.items())
        }
        return cls.from_weights(network, tensors, dtype=dtype)

    @classmethod
    def from_weights(cls, network: Network, tensors: Mapping[str, Array], *, dtype: Any = np.float32) -> "Snapshot":
        """Step 0 with these parameters and buffers (already checked)."""
        layout = layout_of(network)
        buffers = {name: tensors[name] for name, spec in network.specs.items() if not spec.trainable}
        return cls(layout, layout.gather(tensors, np.dtype(dtype)), buffers)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.params.dtype

    @property
    def nbytes(self) -> int:
        """Memory of all arrays, in bytes."""
        return sum(array.nbytes for array in (self.params, *self.buffers.values(), *self.slots.values()))

    @cached_property
    def parameters(self) -> dict[str, Array]:
        """Parameters under their names, as views of the vector."""
        return self.layout.views(self.params)

    def weights(self) -> dict[str, Array]:
        """Parameters and buffers: what PyTorch's state_dict holds."""
        return {**self.parameters, **self.buffers}

    def with_weights(self, network: Network, tensors: Mapping[str, Array]) -> "Snapshot":
        """Other weights at the same step, the optimizer afresh; WeightsError says which tensor does not fit and why.

        F16 and F64 become the network's dtype; `num_batches_tracked` may be missing.
        """
        fitted = {name: _fit(name, spec, tensors, self.dtype) for name, spec in network.specs.items()}
        if extra := sorted(set(tensors) - set(fitted)):
            raise WeightsError(
                f"the file has tensor {told(extra[0])}, which the model lacks; it has {some(fitted)}", extra[0][:80]
            )
        fresh = Snapshot.from_weights(network, fitted, dtype=self.dtype)
        return Snapshot(fresh.layout, fresh.params, fresh.buffers, {}, self.step, 0)

    def to_tensors(self) -> tuple[dict[str, Array], dict[str, str]]:
        """(tensors, metadata) of a version's file; optimizer state as `optimizer/<slot>/<parameter>`."""
        slots = {
            SLOT.format(slot=slot, name=name): view
            for slot, vector in self.slots.items()
            for name, view in self.layout.views(vector).items()
        }
        return {**self.weights(), **slots}, {"step": str(self.step), "age": str(self.age)}

    @classmethod
    def from_tensors(
        cls, network: Network, training: Training, tensors: Mapping[str, Array], metadata: Mapping[str, str]
    ) -> "Snapshot":
        """The inverse of `to_tensors`, without copying where the tensors lie in the order in which we write them."""
        layout = layout_of(network)
        names = dict.fromkeys(name.split("/")[1] for name in tensors if name.startswith("optimizer/"))
        dtype = tensors[layout.names[0]].dtype if layout.names else np.dtype(np.float32)
        slots = {
            slot: layout.gather({name: tensors[SLOT.format(slot=slot, name=name)] for name in layout.names}, dtype)
            for slot in names
        }
        buffers = {name: tensors[name] for name, spec in network.specs.items() if not spec.trainable}
        params = layout.gather(tensors, dtype)
        return cls(layout, params, buffers, slots, int(metadata["step"]), int(metadata["age"]))


def layout_of(network: Network) -> Layout:
    """The parameters of a network as one vector."""
    return Layout(network.parameters, tuple(network.specs[name].shape for name in network.parameters))


def _initial(spec: Spec, seed: int, index: int, dtype: np.dtype[Any]) -> Array:
    kind = dtype if spec.dtype == "float" else np.dtype(spec.dtype)
    if spec.bound is None:
        return np.full(spec.shape, spec.fill, kind)
    draw = generator(Purpose.INIT, seed=seed, index=index).random(spec.shape, dtype=np.float32)
    return ((2 * draw - 1) * np.float32(spec.bound)).astype(kind)


def _fit(name: str, spec: Spec, tensors: Mapping[str, Array], dtype: np.dtype[Any]) -> Array:
    kind = dtype if spec.dtype == "float" else np.dtype(spec.dtype)
    if name not in tensors:
        if spec.dtype != "float":
            return np.zeros(spec.shape, kind)
        raise WeightsError(f"the file lacks tensor {name!r} of shape {list(spec.shape)}; it has {some(tensors)}", name)
    array = tensors[name]
    if array.shape != spec.shape:
        raise WeightsError(
            f"tensor {name!r} has shape {list(array.shape)}, but the model needs {list(spec.shape)}", name
        )
    wanted = "f" if spec.dtype == "float" else "iu"
    if array.dtype.kind not in wanted:
        needed = "a floating-point type" if wanted == "f" else "an integer type"
        raise WeightsError(f"tensor {name!r} has dtype {array.dtype}, but it must be {needed}", name)
    with np.errstate(over="ignore"):
        fitted = array.astype(kind)
    if not np.isfinite(fitted).all():
        raise WeightsError(f"tensor {name!r} holds a NaN, an infinity or a value too large for {kind}", name)
    return fitted
