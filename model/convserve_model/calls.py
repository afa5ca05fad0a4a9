"""What plans are made of, and how they are carried out."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from convserve_model.protocols import Array, Call, Plan, Run, Shape


def make(calls: Iterable[Call]) -> None:
    for call in calls:
        call()


def done(plan: Plan) -> Array:
    """What a plan's buffer holds once its calls are made."""
    y, calls = plan
    make(calls)
    return y


def together(over: Callable[..., Any], parts: list[list[Call]]) -> list[Call]:
    """Parts that may be made side by side, as `Run.map` does."""
    return parts[0] if len(parts) == 1 else [partial(_side_by_side, over, parts)]


def result(run: Run, shape: Shape, dtype: Any) -> Array:
    """Where a result goes: to where it must, or into new memory."""
    return run.empty(shape, dtype) if run.out is None else run.out


def own(x: Array, run: Run) -> Array:
    """Where an elementwise result goes: over x, if that is nobody else's and nothing else is asked."""
    return x if run.overwrite and run.out is None else result(run, x.shape, x.dtype)


def _side_by_side(over: Callable[..., Any], parts: list[list[Call]]) -> None:
    for _ in over(make, parts):
        pass
