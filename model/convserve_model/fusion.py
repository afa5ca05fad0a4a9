"""Rewrites of a program's ops that change no bit of what is asked for, and save time.

ReLU moves behind the max-pool that alone reads it, where it has less to do; what follows a convolution is done to each
strip while that is in the cache. Nothing is moved or fused whose value somebody asked for.
"""

from dataclasses import replace

from convserve_model.kernels.activations import Relu
from convserve_model.kernels.convolution import Convolution
from convserve_model.kernels.normalization import NormalizeRunning
from convserve_model.kernels.pooling import MaxPool
from convserve_model.ops import Op
from convserve_model.protocols import Kernel


def fused(ops: list[Op], goal: set[str], *, evaluating: bool) -> list[Op]:
    """`goal` are the values asked for; `evaluating` that nobody will ask for a gradient."""
    moved = _pools_first(ops, goal)
    done: set[str] = set()
    result = []
    for op in moved:
        if op.output in done:
            continue
        if isinstance(op.kernel, Convolution):
            followers = _followers(op, moved, goal, evaluating)
            done.update(follower.output for follower in followers)
            op = _joined(op, followers)
        result.append(op)
    return result


def _pools_first(ops: list[Op], goal: set[str]) -> list[Op]:
    """ReLU and pool in the other order: their values and gradients are the same."""
    moved = list(ops)
    for position, op in enumerate(moved):
        pool = _only_reader(op, moved, goal)
        if isinstance(op.kernel, Relu) and pool is not None and isinstance(pool.kernel, MaxPool):
            moved[moved.index(pool)] = replace(op, inputs=(op.output,), output=pool.output)
            moved[position] = replace(pool, inputs=op.inputs, output=op.output)
    return moved


def _followers(op: Op, ops: list[Op], goal: set[str], evaluating: bool) -> list[Op]:
    found: list[Op] = []
    follower = _only_reader(op, ops, goal)
    while follower is not None and _follows(follower.kernel, evaluating):
        found.append(follower)
        follower = _only_reader(follower, ops, goal)
    return found


def _follows(kernel: Kernel, evaluating: bool) -> bool:
    """Whether strips of rows can be finished one by one."""
    if isinstance(kernel, MaxPool):
        window = kernel.window
        return window.stride == window.size and window.padding == (0, 0) and window.dilation == (1, 1)
    return isinstance(kernel, Relu) or (isinstance(kernel, NormalizeRunning) and evaluating)


def _only_reader(op: Op, ops: list[Op], goal: set[str]) -> Op | None:
    """The one op that reads this one's result, and nothing else."""
    readers = [other for other in ops if op.output in other.inputs]
    if op.output in goal or len(readers) != 1 or readers[0].inputs != (op.output,):
        return None
    return readers[0]


def _joined(op: Op, followers: list[Op]) -> Op:
    if not followers:
        return op
    assert isinstance(op.kernel, Convolution)
    kernel = replace(op.kernel, followers=tuple(follower.kernel for follower in followers))
    return replace(op, kernel=kernel, output=followers[-1].output, followers=tuple(followers))
