"""Optimizers: PyTorch's update rules on one contiguous vector of parameters, in place, block by block."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Protocol

import numpy as np

from convserve_model import ranges
from convserve_model.protocols import Array
from convserve_model.values import dataclass

Slot = tuple[Array, Array]  # what it was, where it goes
BLOCK = 1 << 16  # elements of one pass: less costs calls, more the L2 cache
PART = 1 << 18  # elements that are worth a thread


class Optimizer(Protocol):
    @property
    def learning_rate(self) -> float: ...

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of its state vectors, PyTorch's."""
        ...

    def apply(self, p: Array, g: Array, slots: Mapping[str, Slot], out: Array, *, rate: float, step: int) -> None:
        """One block of p, moved by gradient g (which may be overwritten), into `out`; `step` counts from 1 on."""
        ...


def update(
    optimizer: Optimizer,
    p: Array,
    g: Array,
    slots: Mapping[str, Array],
    *,
    rate: float,
    step: int,
    over: Callable[..., Iterable[bool]] = map,
) -> tuple[Array, dict[str, Array], bool]:
    """One step over whole vectors: (p, the optimizer's slots, whether all are finite), new; g is used up.

    A slot that is not there yet is zero. `over` maps over parts, on threads or not.
    """
    fresh = {name: np.empty_like(p) for name in optimizer.slots}
    moved = np.empty_like(p)
    zeros = np.zeros(min(BLOCK, p.size), p.dtype)

    def part(start: int) -> bool:
        finite = True
        for first in range(start, min(start + PART, p.size), BLOCK):
            block = slice(first, min(first + BLOCK, p.size, start + PART))
            nothing = zeros[: block.stop - block.start]
            own = {
                name: (slots[name][block] if name in slots else nothing, slot[block]) for name, slot in fresh.items()
            }
            optimizer.apply(p[block], g[block], own, moved[block], rate=rate, step=step)
            # 0 times a finite number is 0, else NaN
            finite &= all(vector[block] @ nothing == 0 for vector in (moved, *fresh.values()))
        return bool(finite)

    return moved, fresh, all(list(over(part, range(0, p.size, PART))))


def clip_norm(g: Array, limit: float) -> None:
    """Scales g in place so that its Euclidean norm is at most `limit` (PyTorch's clip_grad_norm_)."""
    norm = math.sqrt(float(np.einsum("i,i->", g, g, dtype=np.float64)))
    scale = limit / (norm + 1e-6)
    if scale < 1:
        g *= g.dtype.type(scale)


def _positive(name: str, value: float) -> None:
    ranges.number(name, value, lambda v: v > 0, "a number above 0")


def _not_negative(name: str, value: float) -> None:
    ranges.number(name, value, lambda v: v >= 0, "a number of at least 0")


def _fraction(name: str, value: float) -> None:
    ranges.number(name, value, lambda v: 0 <= v < 1, "a number from 0 to below 1")


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum, Nesterov momentum and weight decay."""

    learning_rate: float = 1e-3
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _not_negative("learning_rate", self.learning_rate)
        _not_negative("momentum", self.momentum)
        _not_negative("weight_decay", self.weight_decay)
        ranges.boolean("nesterov", self.nesterov)
        ranges.check("nesterov", self.nesterov, not self.nesterov or self.momentum > 0, "false without momentum")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum_buffer",) if self.momentum else ()

    def apply(self, p: Array, g: Array, slots: Mapping[str, Slot], out: Array, *, rate: float, step: int) -> None:
        if self.weight_decay:
            g += self.weight_decay * p
        move = g
        if self.momentum:
            move = _accumulated(*slots["momentum_buffer"], self.momentum, g)
            if self.nesterov:
                g += self.momentum * move
                move = g
        np.multiply(move, rate, out=out)  # not over g, which need not go back to memory
        np.subtract(p, out, out=out)


@dataclass(frozen=True)
class Adam:
    """Kingma and Ba (2014); weight decay is added to the gradient."""

    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    slots: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")

    def __post_init__(self) -> None:
        _check_adam(self.learning_rate, self.betas, self.eps, self.weight_decay)

    def apply(self, p: Array, g: Array, slots: Mapping[str, Slot], out: Array, *, rate: float, step: int) -> None:
        if self.weight_decay:
            g += self.weight_decay * p
        np.subtract(p, _adam(g, slots, self.betas, self.eps, rate, step), out=out)


@dataclass(frozen=True)
class AdamW:
    """Loshchilov and Hutter (2017): Adam with decoupled weight decay."""

    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 1e-2
    slots: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")

    def __post_init__(self) -> None:
        _check_adam(self.learning_rate, self.betas, self.eps, self.weight_decay)

    def apply(self, p: Array, g: Array, slots: Mapping[str, Slot], out: Array, *, rate: float, step: int) -> None:
        np.multiply(p, 1 - rate * self.weight_decay, out=out)
        out -= _adam(g, slots, self.betas, self.eps, rate, step)


@dataclass(frozen=True)
class RMSprop:
    """Tieleman and Hinton (2012), PyTorch's form: eps outside the root, optional momentum."""

    learning_rate: float = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _not_negative("learning_rate", self.learning_rate)
        _not_negative("alpha", self.alpha)
        _positive("eps", self.eps)
        _not_negative("momentum", self.momentum)
        _not_negative("weight_decay", self.weight_decay)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square_avg", "momentum_buffer") if self.momentum else ("square_avg",)

    def apply(self, p: Array, g: Array, slots: Mapping[str, Slot], out: Array, *, rate: float, step: int) -> None:
        if self.weight_decay:
            g += self.weight_decay * p
        square = _accumulated(*slots["square_avg"], self.alpha, (1 - self.alpha) * g * g)
        move = g / (np.sqrt(square) + self.eps)
        if self.momentum:
            move = _accumulated(*slots["momentum_buffer"], self.momentum, move)
        np.subtract(p, rate * move, out=out)


def _check_adam(learning_rate: float, betas: tuple[float, float], eps: float, weight_decay: float) -> None:
    _not_negative("learning_rate", learning_rate)
    ranges.check("betas", betas, isinstance(betas, (tuple, list)) and len(betas) == 2, "a pair of numbers")
    for beta in betas:
        _fraction("betas", beta)
    _positive("eps", eps)
    _not_negative("weight_decay", weight_decay)


def _accumulated(was: Array, out: Array, factor: float, share: Array) -> Array:
    """A running sum, into `out`: what it was times the factor, and a share."""
    np.multiply(was, factor, out=out)
    out += share
    return out


def _adam(g: Array, slots: Mapping[str, Slot], betas: tuple[float, float], eps: float, rate: float, step: int) -> Array:
    """What the parameters lose."""
    mean, m = slots["exp_avg"]
    np.subtract(g, mean, out=m)
    m *= 1 - betas[0]
    m += mean
    v = _accumulated(*slots["exp_avg_sq"], betas[1], (1 - betas[1]) * g * g)
    root = np.sqrt(v)
    root /= math.sqrt(1 - betas[1] ** step)
    root += eps
    np.divide(m, root, out=root)
    root *= rate / (1 - betas[0] ** step)
    return root


OPTIMIZERS: dict[str, type[SGD | Adam | AdamW | RMSprop]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
}
