"""What a model can do: infer, differentiate, learn and be judged. Pure functions of their arguments.

An Engine holds no model: only compute threads and prepared programs, both immutable to the caller.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from convserve_model import targets
from convserve_model.errors import InputError, ModelError, NonFiniteError, some, told
from convserve_model.executor import Executor, Result
from convserve_model.footprint import footprint
from convserve_model.losses import Loss
from convserve_model.network import Network
from convserve_model.prepare import Program, Want, Weights, prepare
from convserve_model.protocols import Array, Check, nothing
from convserve_model.randomness import Purpose, generator
from convserve_model.snapshot import Snapshot
from convserve_model.stepping import GRAD, applied, barriers, fitted, gathered, running
from convserve_model.training import Training
from convserve_model.values import dataclass


@dataclass(frozen=True)
class Evaluation:
    """Mean loss; accuracy and per-class counts where targets are class indices or probabilities."""

    loss: float
    count: int
    accuracy: float | None = None
    count_per_class: Array | None = None
    correct_per_class: Array | None = None


class Engine:
    """`threads` compute threads; make one per process, after any fork."""

    def __init__(self, threads: int = 1) -> None:
        self._executor = Executor(threads)
        self._prepare = lru_cache(maxsize=256)(prepare)

    def close(self) -> None:
        self._executor.close()

    def footprint(self, network: Network, n: int, *, backward: bool = False, train: bool = False) -> int:
        """About how many bytes n images take, at most; known from shapes alone."""
        whole = train and bool(barriers(network))
        return footprint(network, n, self._executor.pool.threads, backward=backward, whole=whole)

    def infer(
        self,
        network: Network,
        snapshot: Snapshot,
        x: Array,
        outputs: Sequence[str] = ("logits",),
        *,
        check: Check = nothing,
    ) -> dict[str, Array]:
        """x [N,C,H,W] -> {"logits": [N,K]} or the activations after the layers named, [N,...].

        Here and below `check` is called before each microbatch and may raise.
        """
        names = _layers(network, outputs)
        result = self._run(network, snapshot, x, Want(outputs=names), check=check)
        return {asked: result.outputs[name] for asked, name in zip(outputs, names, strict=True)}

    def gradients(
        self,
        network: Network,
        snapshot: Snapshot,
        x: Array,
        *,
        loss: Loss,
        target: Array | None = None,
        cotangent: Array | None = None,
        outputs: Sequence[str] | None = None,
        train: bool = False,
        seed: int = 0,
        check: Check = nothing,
    ) -> dict[str, Array]:
        """`loss` [1], `logits` and layers [N,...], `grad/<parameter>`, `grad/x`; by default loss and every parameter.

        With `train`, batch norm uses the batch's statistics and dropout draws from `seed`; running statistics stay.
        """
        if outputs is None:
            outputs = (*(("loss",) if cotangent is None else ()), *(GRAD + name for name in network.parameters))
        asked = set(outputs)
        params = frozenset(name for name in network.parameters if GRAD + name in asked)
        layers = tuple(name for name in outputs if name not in {"loss", GRAD + "x", *(GRAD + name for name in params)})
        names = _layers(network, layers)
        if "loss" in asked and cotangent is not None:
            raise ModelError("output 'loss' needs the input y; with a cotangent there is no loss", "outputs")
        want = Want(
            outputs=names,
            params=params,
            values=("x",) if GRAD + "x" in asked else (),
            loss="loss" in asked,
            train=train,
        )
        grads = {name: np.zeros(network.specs[name].shape, snapshot.dtype) for name in params}
        with self._executor.differentiating():
            result = self._run(
                network, snapshot, x, want, loss=loss, target=target, cotangent=cotangent, key=(seed, 0), grads=grads,
                check=check,
            )  # fmt: skip
        found = {
            "loss": np.array([result.loss], snapshot.dtype),
            **{layer: result.outputs[name] for layer, name in zip(layers, names, strict=True)},
            **{GRAD + name: grad for name, grad in grads.items()},
        }
        found.update({GRAD + name: gradient for name, gradient in result.gradients.items()})
        return {name: found[name] for name in outputs}

    def sensitivity(
        self, network: Network, snapshot: Snapshot, x: Array, cotangent: Array, *, of: str = "x"
    ) -> tuple[Array, Array]:
        """(what `x` or a layer holds [N,...], the gradient of sum(cotangent * logits) with respect to it)."""
        names = () if of == "x" else _layers(network, (of,))
        with self._executor.differentiating():
            want = Want(outputs=names, values=names or ("x",))
            result = self._run(network, snapshot, x, want, cotangent=cotangent)
        (gradient,) = result.gradients.values()
        return result.outputs[names[0]] if names else x, gradient

    def train(
        self,
        network: Network,
        training: Training,
        snapshot: Snapshot,
        x: Array,
        y: Array,
        *,
        epochs: int = 1,
        batch_size: int | None = None,
        shuffle_seed: int | None = None,
        seed: int = 0,
        check: Check = nothing,
    ) -> tuple[Snapshot, Array]:
        """(the next snapshot, the loss of each step [steps] float64).

        `batch_size` None is all rows; a last, smaller batch is used. Rows are taken in order, or in an order drawn
        from (shuffle_seed, epoch).
        """
        _check_x(network, snapshot, x)
        size = batch_size or len(x)
        y = self.check_targets(network, training, y, len(x), size)

        def pieces() -> Iterator[tuple[Array, Array]]:
            for rows in batches(len(x), size, epochs, shuffle_seed):
                yield x[rows], y[rows]

        losses = []
        for stepped, loss in self.steps(network, training, snapshot, pieces(), seed=seed, check=check):
            snapshot = stepped
            losses.append(loss)
        return snapshot, np.array(losses)

    def steps(
        self,
        network: Network,
        training: Training,
        snapshot: Snapshot,
        pieces: Iterable[tuple[Array, Array]],
        *,
        seed: int = 0,
        check: Check = nothing,
    ) -> Iterator[tuple[Snapshot, float]]:
        """One optimizer step for each (x [N,C,H,W], y): the state after it, and its loss."""
        gradient = np.empty(snapshot.layout.size, snapshot.dtype)
        grads = snapshot.layout.views(gradient)
        with self._executor.differentiating():
            for x, y in pieces:
                key = (seed, snapshot.step)
                result = self._run(
                    network, snapshot, x, _learning(network), loss=training.loss, target=y, key=key, grads=grads,
                    check=check,
                )  # fmt: skip
                snapshot = self._learned(network, training, snapshot, gradient, result)
                yield snapshot, result.loss

    def check_targets(self, network: Network, training: Training, y: Array, n: int, batch_size: int) -> Array:
        """y as the loss takes it, where n rows can be trained on in batches of this size; else what does not fit."""
        checked = targets.check(y, n, network.classes, training.loss)
        self._check_batches(network, n, batch_size)
        return checked

    def step(
        self,
        network: Network,
        training: Training,
        snapshot: Snapshot,
        gradients: Mapping[str, Array],
        buffers: Mapping[str, Array] | None = None,
    ) -> Snapshot:
        """One optimizer step with gradients that the caller brings, one for every parameter."""
        gradient = gathered(snapshot, gradients)
        return self._apply(training, snapshot, gradient, fitted(snapshot, buffers or {}))

    def evaluate(
        self, network: Network, snapshot: Snapshot, x: Array, y: Array, *, loss: Loss, check: Check = nothing
    ) -> Evaluation:
        """Loss and, for class targets, accuracy over x [N,C,H,W] and y."""
        _check_x(network, snapshot, x)
        y = targets.check(y, len(x), network.classes, loss)
        name = network.last.name
        result = self._run(network, snapshot, x, Want(outputs=(name,), loss=True), loss=loss, target=y, check=check)
        if not loss.takes_indices:
            return Evaluation(result.loss, len(x))
        wanted = y if y.ndim == 1 else y.argmax(axis=1)
        hits = result.outputs[name].argmax(axis=1) == wanted
        counts = np.bincount(wanted, minlength=network.classes)
        correct = np.bincount(wanted[hits], minlength=network.classes)
        return Evaluation(result.loss, len(x), float(hits.mean()), counts, correct)

    def _learned(
        self, network: Network, training: Training, snapshot: Snapshot, gradient: Array, result: Result
    ) -> Snapshot:
        """The state after a step that had this gradient."""
        if not math.isfinite(result.loss):
            raise NonFiniteError(f"the loss of step {snapshot.step + 1} is {result.loss}; try a smaller learning rate")
        return self._apply(training, snapshot, gradient, running(network, snapshot, result.moments))

    def _apply(self, training: Training, snapshot: Snapshot, gradient: Array, buffers: Mapping[str, Array]) -> Snapshot:
        return applied(training, snapshot, gradient, buffers, over=self._executor.over)

    def _run(
        self,
        network: Network,
        snapshot: Snapshot,
        x: Array,
        want: Want,
        *,
        loss: Loss | None = None,
        target: Array | None = None,
        cotangent: Array | None = None,
        key: tuple[int, int] = (0, 0),
        grads: Mapping[str, Array] | None = None,
        check: Check = nothing,
    ) -> Result:
        _check_x(network, snapshot, x)
        if want.train:
            self._check_batches(network, len(x), len(x))
        if target is not None and loss is not None:
            target = targets.check(target, len(x), network.classes, loss)
            target = target if target.dtype.kind == "i" else target.astype(snapshot.dtype)
        if cotangent is not None:
            cotangent = targets.check_cotangent(cotangent, len(x), network.classes).astype(snapshot.dtype)
        program = self._prepare(network, len(x), want)
        weights = _weights(program, snapshot)
        return self._executor.run(
            program, weights, x, loss=loss, target=target, cotangent=cotangent, key=key, grads=grads,
            check=check,
        )  # fmt: skip

    def _check_batches(self, network: Network, n: int, size: int) -> None:
        """Batch norm needs more than one value per channel, in the last, smaller batch too."""
        smallest = n % size or min(n, size)
        for node, _ in barriers(network):
            _, h, w = network.shapes[node.inputs[0]]
            if smallest * h * w < 2:
                raise InputError(
                    f"layer '{node.name}' would see one value per channel in a batch of {smallest}; batch norm needs"
                    " more than one in training: use another batch_size",
                    "batch_size",
                )


def batches(n: int, size: int, epochs: int, shuffle_seed: int | None, *, done: int = 0) -> Iterator[Any]:
    """The rows of each step after the first `done`: slices, or index arrays drawn from (shuffle_seed, epoch)."""
    first, skipped = divmod(done, -(-n // size))
    for epoch in range(first, epochs):
        order = None
        if shuffle_seed is not None:
            order = generator(Purpose.SHUFFLE, seed=shuffle_seed, step=epoch).permutation(n)
        for start in range(skipped * size if epoch == first else 0, n, size):
            rows = slice(start, start + size)
            yield rows if order is None else order[rows]


def _check_x(network: Network, snapshot: Snapshot, x: Array) -> None:
    if x.ndim != 4 or x.shape[1:] != network.input or not len(x):
        got, needed = list(x.shape), ["N", *network.input]
        raise InputError(f"x has shape {got}, but the model needs {needed} with N of at least 1", "x")
    if x.dtype != snapshot.dtype:
        raise InputError(f"x has dtype {x.dtype}, but the model computes in {snapshot.dtype}", "x")


def _layers(network: Network, outputs: Sequence[str]) -> tuple[str, ...]:
    """Layer names of outputs; `logits` is the last layer's."""
    for name in outputs:
        if name != "logits" and name not in network.names:
            raise ModelError(f"there is no output {told(name)}; there are logits, {some(network.names)}", "outputs")
    return tuple(network.last.name if name == "logits" else name for name in outputs)


def _weights(program: Program, snapshot: Snapshot) -> Weights:
    """What the program computes with, kept with the snapshot unless it is about to be replaced."""
    if program.want.params and program.want.train:
        return program.weights(snapshot.weights())
    found: Weights | None = snapshot.packed.get(program)
    if found is None:
        found = snapshot.packed[program] = program.weights(snapshot.weights(), snapshot.packed.setdefault("ops", {}))
    return found


@lru_cache(maxsize=256)
def _learning(network: Network) -> Want:
    return Want(params=frozenset(network.parameters), loss=True, train=True)
