"""A network prepared for one size and one purpose: kernels chosen, what nobody asked for pruned. Pure; no arrays."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise
from math import prod

from convserve_model.fusion import fused
from convserve_model.network import Network
from convserve_model.ops import Op
from convserve_model.protocols import Kernel, Params

MICROBATCH = 32, 1024  # images at least and at most: fewer lose to calls and short runs, more to the cache
NUMBER = 4  # bytes of a float32
PLANNED_BYTES = 256 << 20  # of what a plan keeps, where it is worth keeping
PACKED = 12  # times a kernel's weights: as they are packed for the output and for the input's gradient, and gradients
ELEMENTS = 1 << 18  # of the largest value of a microbatch, where that allows so many images


@dataclass(frozen=True)
class Want:
    """What a run is asked for."""

    outputs: tuple[str, ...] = ()  # names of layers
    params: frozenset[str] = frozenset()  # full names of parameters whose gradients are wanted
    values: tuple[str, ...] = ()  # `x` and layers, with respect to whose outputs gradients are wanted
    loss: bool = False  # the mean loss
    train: bool = False  # batch statistics and dropout, else running statistics

    @cached_property
    def backward(self) -> bool:
        return bool(self.params or self.values)

    @cached_property
    def logits(self) -> bool:
        """Whether a loss or a cotangent meets the logits."""
        return self.loss or self.backward


@dataclass(frozen=True, eq=False)
class Program:
    """Ops in order, cut into segments that end at a barrier (a reduced op), for microbatches of these sizes."""

    segments: tuple[tuple[Op, ...], ...]
    sizes: tuple[int, ...]
    output: str  # the value that holds the logits
    outputs: tuple[tuple[str, str], ...]  # (what was asked for, the value that holds it)
    gradients: tuple[tuple[str, str], ...]  # (with respect to what, the value that holds it)
    want: Want
    parameters: int = 0  # numbers in all of the network's
    planned: int = 0  # bytes that a plan of it keeps, about (see plans.py); 0 where it is not worth one

    def weights(self, tensors: Params, known: dict[Op, Params] | None = None) -> "Weights":
        """What it computes with; what is `known` is not packed again."""
        return Weights(self, tensors, {} if known is None else known)

    @cached_property
    def ops(self) -> tuple[Op, ...]:
        return tuple(op for segment in self.segments for op in segment)

    @cached_property
    def kept(self) -> frozenset[str]:
        """Values whose gradients stay when they have been passed on."""
        return frozenset(value for _, value in self.gradients)

    @cached_property
    def infers(self) -> bool:
        """Whether nothing but outputs in evaluation is asked for."""
        return not (self.want.logits or self.want.train)

    @cached_property
    def rows(self) -> tuple[slice, ...]:
        """Of each microbatch in the batch."""
        return tuple(slice(*ends) for ends in pairwise(accumulate(self.sizes, initial=0)))

    @cached_property
    def learning(self) -> tuple[Op, ...]:
        """Those whose parameters have gradients."""
        return tuple(op for op in self.ops if op.need_params)

    @cached_property
    def barriers(self) -> tuple[Op, ...]:
        return tuple(segment[-1] for segment in self.segments[:-1])


class Weights:
    """The tensors that a program computes with, and what its ops make of them."""

    def __init__(self, program: Program, tensors: Params, known: dict[Op, Params]) -> None:
        self.tensors = tensors
        self._ops, self._known = program.ops, known

    @cached_property
    def packed(self) -> dict[str, Params]:
        """What each op computes with, by its output."""
        known = self._known
        return {op.output: known.get(op) or known.setdefault(op, op.weights(self.tensors)) for op in self._ops}


def prepare(network: Network, n: int, want: Want, *, fuse: bool = True) -> Program:
    """The program that gives `want` for a batch of n; `fuse` changes no bit of it."""
    sizes = cuts(n, microbatch(network))
    values = {"x": "x"}  # which value holds a layer's output
    ops: list[Op] = []
    for index, node in enumerate(network.nodes):
        sources = tuple(values[name] for name in node.inputs)
        shapes = tuple(network.shapes[name] for name in node.inputs)
        names = tuple((name, f"{node.name}.{name}") for name in node.layer.weights(*shapes))
        kernels = node.layer.kernels(*shapes, n=max(sizes), train=want.train)
        previous: tuple[str, ...] = ()
        values[node.name] = sources[0]
        for position, kernel in enumerate(kernels):
            output = node.name if position == len(kernels) - 1 else f"{node.name}:{position}"
            ops.append(Op(kernel, sources + previous, output, node.name, index, names))
            previous, values[node.name] = (output,), output
    asked = {name: values[name] for name in want.outputs}
    logits = values[network.last.name]
    gradients = {name: values[name] for name in want.values}
    goal = {*asked.values(), *gradients.values()} | ({logits} if want.logits else set())
    pruned = _prune(ops, goal)
    if fuse:
        pruned = fused(pruned, goal, evaluating=not want.backward)
    needed = _plan_needs(pruned, want, set(gradients.values()))
    planned = _plan_overwrites(_plan_release(_plan_spending(needed, set(gradients.values())), goal))
    segments = _segments(planned)
    size = NUMBER * _held(network, max(sizes), planned, backward=want.backward)
    together = len(sizes) if len(segments) > 1 else 1  # microbatches that wait for each other have a plan each
    kept = size * together if size <= PLANNED_BYTES else 0
    given = tuple(asked.items()), tuple(gradients.items())
    return Program(segments, sizes, logits, *given, want, network.parameter_count, kept)


def _held(network: Network, n: int, ops: list[Op], *, backward: bool) -> int:
    """About how many numbers a plan for n images keeps: values, their gradients, and packed weights."""
    values = n * sum(map(prod, network.shapes.values()))
    if not backward:
        return values + network.parameter_count
    packed = sum(prod(network.specs[full].shape) for op in ops if op.packs for _, full in op.params)
    return 2 * values + PACKED * packed + network.parameter_count


def microbatch(network: Network) -> int:
    """Images that are computed together: a power of two, a function of the network alone."""
    largest = max(prod(shape) for shape in network.shapes.values())
    return min(max(1 << (ELEMENTS // largest | 1).bit_length() - 1, MICROBATCH[0]), MICROBATCH[1])


def cuts(n: int, size: int) -> tuple[int, ...]:
    """Microbatch sizes for a batch of n, about `size` each, or half where there would be one; they differ by at most
    one."""
    m = max(1, round(n / size), min(2, round(2 * n / size)))
    return tuple(n // m + (i < n % m) for i in range(m))


def _prune(ops: list[Op], goal: set[str]) -> list[Op]:
    """Without what no goal depends on."""
    wanted, kept = set(goal), []
    for op in reversed(ops):
        if op.output in wanted:
            wanted.update(op.inputs)
            kept.append(op)
    return kept[::-1]


def _plan_needs(ops: list[Op], want: Want, values: set[str]) -> list[Op]:
    """Marks which gradients each op must compute: those on a path to a parameter or a value that is wanted."""
    needed = {"x": "x" in values}
    planned = []
    for op in ops:
        need = tuple(needed[name] for name in op.inputs)
        need_params = op.reduced is None and any(full in want.params for _, full in op.params)
        needed[op.output] = any(need) or need_params or op.output in values
        planned.append(replace(op, need=need, need_params=need_params))
    return planned


def _plan_release(ops: list[Op], goal: set[str]) -> list[Op]:
    """Marks after which op each value may be dropped."""
    seen, planned = set(goal), []
    for op in reversed(ops):
        last = tuple(dict.fromkeys(name for name in op.inputs if name not in seen))
        seen.update(last)
        planned.append(replace(op, last_use=last))
    return planned[::-1]


def _plan_overwrites(ops: list[Op]) -> list[Op]:
    """Marks who may write over its first operand: its only reader, where the maker does not need it either."""
    makers = {op.output: op.kernel for op in ops}
    readings = [name for op in ops for name in op.inputs]

    def free(op: Op) -> bool:
        first = op.inputs[0]
        return (
            getattr(op.kernel, "overwrites", False)
            and first in op.last_use
            and readings.count(first) == 1
            and getattr(makers.get(first), "gives_away", False)
        )

    return [replace(op, overwrite=free(op)) for op in ops]


def _plan_spending(ops: list[Op], values: set[str]) -> list[Op]:
    """Marks whose result has a gradient that nobody else holds: a sum, or what one reader made for it alone."""
    givers: dict[str, list[Kernel]] = {op.output: [] for op in ops}
    for op in ops:
        for name, need in zip(op.inputs, op.need, strict=True):
            if need:
                givers[name] = [*givers.get(name, []), op.kernel]

    def alone(op: Op) -> bool:
        own = givers[op.output]
        return op.output not in values and (len(own) > 1 or any(getattr(kernel, "fresh", False) for kernel in own))

    return [replace(op, spend=alone(op)) for op in ops]


def _segments(ops: list[Op]) -> tuple[tuple[Op, ...], ...]:
    segments: list[tuple[Op, ...]] = []
    current: list[Op] = []
    for op in ops:
        current.append(op)
        if op.reduced:
            segments.append(tuple(current))
            current = []
    return (*segments, tuple(current))
