"""A network prepared for one size and one purpose: kernels chosen, what nobody asked for pruned. Pure; no arrays."""

from dataclasses import dataclass, replace
from typing import cast

from convserve_model.network import Network
from convserve_model.protocols import Kernel, Params, Reduced

MICROBATCH = 32  # images: 16 to 32 were best on every network measured, 8 cost up to 90 % more


@dataclass(frozen=True)
class Want:
    """What a run is asked for."""

    outputs: tuple[str, ...] = ()  # names of layers
    params: frozenset[str] = frozenset()  # full names of parameters whose gradients are wanted
    input: bool = False  # the gradient with respect to x
    loss: bool = False  # the mean loss
    train: bool = False  # batch statistics and dropout, else running statistics

    @property
    def backward(self) -> bool:
        return bool(self.params) or self.input

    @property
    def logits(self) -> bool:
        """Whether a loss or a cotangent meets the logits."""
        return self.loss or self.backward


@dataclass(frozen=True)
class Op:
    """One kernel in its place: what it reads, where its result goes, what backward needs of it."""

    kernel: Kernel
    inputs: tuple[str, ...]
    output: str
    layer: str
    index: int  # the layer's position, for random numbers
    params: tuple[tuple[str, str], ...]  # (the kernel's name, the full name)
    need: tuple[bool, ...] = ()
    need_params: bool = False
    last_use: tuple[str, ...] = ()  # values that nobody reads after it

    @property
    def reduced(self) -> Reduced | None:
        return cast(Reduced, self.kernel) if getattr(self.kernel, "reduced", False) else None

    def weights(self, tensors: Params) -> Params:
        """The kernel's own parameters and buffers, out of all."""
        return {short: tensors[full] for short, full in self.params}


@dataclass(frozen=True)
class Program:
    """Ops in order, cut into segments that end at a barrier (a reduced op), for microbatches of these sizes."""

    segments: tuple[tuple[Op, ...], ...]
    sizes: tuple[int, ...]
    output: str  # the value that holds the logits
    outputs: tuple[tuple[str, str], ...]  # (what was asked for, the value that holds it)
    want: Want

    @property
    def barriers(self) -> tuple[Op, ...]:
        return tuple(segment[-1] for segment in self.segments[:-1])


def prepare(network: Network, n: int, want: Want) -> Program:
    """The program that gives `want` for a batch of n."""
    sizes = cuts(n)
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
    goal = set(asked.values()) | ({logits} if want.logits else set())
    planned = _plan_release(_plan_needs(_prune(ops, goal), want), goal)
    return Program(_segments(planned), sizes, logits, tuple(asked.items()), want)


def cuts(n: int) -> tuple[int, ...]:
    """Microbatch sizes for a batch of n: a function of n alone, differing by at most one."""
    m = max(1, round(n / MICROBATCH))
    return tuple(n // m + (i < n % m) for i in range(m))


def _prune(ops: list[Op], goal: set[str]) -> list[Op]:
    """Without what no goal depends on."""
    wanted, kept = set(goal), []
    for op in reversed(ops):
        if op.output in wanted:
            wanted.update(op.inputs)
            kept.append(op)
    return kept[::-1]


def _plan_needs(ops: list[Op], want: Want) -> list[Op]:
    """Marks which gradients each op must compute: those on a path to something wanted."""
    needed = {"x": want.input}
    planned = []
    for op in ops:
        need = tuple(needed[name] for name in op.inputs)
        need_params = op.reduced is None and any(full in want.params for _, full in op.params)
        needed[op.output] = any(need) or need_params
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


def _segments(ops: list[Op]) -> tuple[tuple[Op, ...], ...]:
    segments: list[tuple[Op, ...]] = []
    current: list[Op] = []
    for op in ops:
        current.append(op)
        if op.reduced:
            segments.append(tuple(current))
            current = []
    return (*segments, tuple(current))
