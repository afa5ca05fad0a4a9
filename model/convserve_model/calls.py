"""What plans are made of, and how they are carried out."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from convserve_model.protocols import Array, Backward, Call, Plan, Run, Shape
from convserve_model.workspace import WorkSpace


def make(calls: Iterable[Call]) -> None:
    for call in calls:
        call()


def done(plan: Plan) -> Array:
    """What a plan's buffer holds once its calls are made."""
    y, calls = plan
    make(calls)
    return y


def together(run: Run, parts: list[list[Call]], *, taken: bool = False) -> list[Call]:
    """Parts that may be made side by side, as many at once as the run has sides: dealt out, or taken one by one."""
    count = len(parts) if taken else min(run.sides.most, len(parts))
    apart = [[call for part in parts[side::count] for call in part] for side in range(count)]
    return apart[0] if count == 1 else [partial(_side_by_side, run.sides.map, apart)]


def result(run: Run, shape: Shape, dtype: Any) -> Array:
    """Where a result goes: to where it must, or into new memory."""
    return run.empty(shape, dtype) if run.out is None else run.out


def own(x: Array, run: Run) -> Array:
    """Where an elementwise result goes: over x, if that is nobody else's and nothing else is asked."""
    return x if run.overwrite and run.out is None else result(run, x.shape, x.dtype)


def spent(dy: Array, run: Run) -> Array:
    """Where an elementwise gradient goes: over dy, if that is nobody else's."""
    return dy if run.spend else run.empty(dy.shape, dy.dtype)


def contiguous(x: Array, space: WorkSpace) -> Plan:
    """x, or a contiguous copy."""
    if x.flags.c_contiguous:
        return x, []
    copy = space.empty(x.shape, x.dtype)
    return copy, [partial(np.copyto, copy, x)]


def reshaped(x: Array, shape: Shape, run: Run) -> Plan:
    """A view of x, or a copy where there is none."""
    y = x.reshape(shape)
    if np.may_share_memory(x, y):
        return y, []
    y = run.empty(shape, x.dtype)
    return y, [partial(np.copyto, y.reshape(x.shape), x)]


def given(run: Run, dparams: dict[str, Array], dtype: Any, **values: Callable[[], Array]) -> list[Call]:
    """Calls that bring gradients of parameters to where they may go, else into copies."""

    def bring(name: str, value: Callable[[], Array]) -> None:
        out = run.into.get(name)
        if out is None:
            dparams[name] = np.array(value(), dtype)
        else:
            out[...] = value()
            dparams[name] = out

    return [partial(bring, name, value) for name, value in values.items()]


def along(dxs: tuple[Array | None, ...], calls: list[Call]) -> Backward:
    """Of a kernel without parameters."""
    return Backward(dxs, calls, {})


def _side_by_side(over: Callable[..., Any], parts: list[list[Call]]) -> None:
    for _ in over(make, parts):
        pass
