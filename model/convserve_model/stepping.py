"""One optimizer step: a gradient and what batch norm saw make the next snapshot."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import groupby
from typing import cast

import numpy as np

from convserve_model import optimizers
from convserve_model.errors import NonFiniteError, WeightsError, some, told
from convserve_model.network import Network, Node
from convserve_model.protocols import Array, Reduced
from convserve_model.schedules import learning_rate
from convserve_model.snapshot import Snapshot
from convserve_model.training import Training

GRAD = "grad/"


def applied(
    training: Training,
    snapshot: Snapshot,
    gradient: Array,
    buffers: Mapping[str, Array],
    *,
    over: Callable[..., Iterable[bool]] = map,
) -> Snapshot:
    """The next snapshot; the gradient may be overwritten. NonFiniteError where there would be a NaN or an infinity.

    `over` maps over parts of the vectors, on threads or not.
    """
    optimizer = training.optimizer
    rate = learning_rate(training.schedule, optimizer.learning_rate, snapshot.step)
    with np.errstate(all="ignore"):
        if training.clip_grad_norm is not None:
            optimizers.clip_norm(gradient, training.clip_grad_norm)
        params, slots, finite = optimizers.update(
            optimizer, snapshot.params, gradient, snapshot.slots, rate=rate, step=snapshot.age + 1, over=over
        )
    if not finite or not _finite(buffers.values()):
        raise NonFiniteError(
            f"step {snapshot.step + 1} would make a weight that is not finite; try a smaller learning rate or"
            " clip_grad_norm"
        )
    return Snapshot(snapshot.layout, params, buffers, {**snapshot.slots, **slots}, snapshot.step + 1, snapshot.age + 1)


def _finite(arrays: Iterable[Array]) -> bool:
    """All of them in one look: there are three of each batch norm."""
    flat = [array.reshape(-1) for array in arrays]
    return not flat or bool(np.isfinite(np.concatenate(flat)).all())


def gathered(snapshot: Snapshot, gradients: Mapping[str, Array]) -> Array:
    """A gradient for every parameter as one vector, a copy; WeightsError for what is missing, too much or misshapen."""
    for name, view in snapshot.parameters.items():
        if name not in gradients:
            raise WeightsError(
                f"the gradient of {name!r} is missing; a step needs one for every parameter", GRAD + name
            )
        if gradients[name].shape != view.shape:
            shape = list(gradients[name].shape)
            raise WeightsError(f"the gradient of {name!r} has shape {shape}, not {list(view.shape)}", GRAD + name)
    if extra := sorted(set(gradients) - set(snapshot.parameters)):
        raise WeightsError(
            f"the model has no parameter {told(extra[0])}; it has {some(snapshot.parameters)}", GRAD + extra[0]
        )
    return snapshot.layout.copied(gradients, snapshot.dtype)


def fitted(snapshot: Snapshot, buffers: Mapping[str, Array]) -> dict[str, Array]:
    """The snapshot's buffers with those given in place of its own."""
    for name, array in buffers.items():
        if name not in snapshot.buffers:
            raise WeightsError(
                f"the model has no buffer {told(name)}; it has {some(snapshot.buffers)}", f"buffer/{name}"
            )
        if array.shape != snapshot.buffers[name].shape:
            needed = list(snapshot.buffers[name].shape)
            raise WeightsError(f"buffer {name!r} has shape {list(array.shape)}, not {needed}", f"buffer/{name}")
    own = {name: np.array(array, snapshot.buffers[name].dtype) for name, array in buffers.items()}
    return {**snapshot.buffers, **own}


def running(network: Network, snapshot: Snapshot, moments: Mapping[str, Array]) -> dict[str, Array]:
    """The buffers after a step that saw these moments of the batch, by layer."""
    updated = dict(snapshot.buffers)
    for kind, pairs in groupby(barriers(network), key=lambda pair: type(pair[1])):
        nodes, kernels = zip(*pairs, strict=True)
        own = [{name: snapshot.buffers[f"{node.name}.{name}"] for name in kind.buffers} for node in nodes]
        fresh = kind.update(kernels, own, [moments[node.name] for node in nodes])
        for node, buffers in zip(nodes, fresh, strict=True):
            updated.update({f"{node.name}.{name}": value for name, value in buffers.items()})
    return updated


@lru_cache(maxsize=256)
def barriers(network: Network) -> tuple[tuple[Node, Reduced], ...]:
    """The layers that need the whole batch in training, and what combines its parts."""
    return tuple(
        (node, cast(Reduced, kernel))
        for node in network.nodes
        for kernel in node.layer.kernels(*(network.shapes[name] for name in node.inputs), n=1, train=True)
        if getattr(kernel, "reduced", False)
    )
