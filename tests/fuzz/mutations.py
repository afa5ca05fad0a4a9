"""A JSON value with one thing in it changed: what a careless or clever client sends."""

import copy
from typing import Any

from hypothesis import strategies as st

Place = tuple[str | int, ...]
NUMBERS = [0, 1, -1, 2, 3, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 53, (1 << 63) - 1, 1 << 63, 1 << 64, 10**30, 10**400]
FLOATS = [0.5, -0.0, 1e-320, 1e38, 3.5e38, 1.7976931348623157e308, float("inf"), float("nan")]
TEXTS = ["", "x", "y", "0", "tiny", "grad/x", "é", "\0", "\ud800", "a" * 300, "../x", "INT64", "BYTES", "UINT8", "conv"]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.sampled_from(NUMBERS), st.integers(), st.sampled_from(FLOATS), st.floats(),
    st.sampled_from(TEXTS), st.text(max_size=8),
)  # fmt: skip
VALUES = st.one_of(
    LEAVES, st.lists(LEAVES, max_size=4), st.dictionaries(st.sampled_from(TEXTS[:7]), LEAVES, max_size=2)
)


def places(value: Any, at: Place = ()) -> list[Place]:
    """Every position in a JSON value; of long lists the first four elements."""
    found = [at]
    inside = value.items() if isinstance(value, dict) else enumerate(value[:4]) if isinstance(value, list) else ()
    for key, inner in inside:
        found += places(inner, (*at, key))
    return found


@st.composite
def mutated(draw: st.DrawFn, value: Any, parts: list[Any]) -> Any:
    """`value` with something else in one to three places: one of `parts` of its kind, a value, one more, nothing."""
    found = copy.deepcopy(value)
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        if not (inside := places(found)[1:]):
            return draw(VALUES)
        *way, last = draw(st.sampled_from(inside))
        at = found
        for key in way:
            at = at[key]
        match draw(st.sampled_from(("like", "like", "like", "value", "more", "less"))):
            case "like":
                at[last] = copy.deepcopy(draw(st.sampled_from(_like(at[last], parts))))
            case "value":
                at[last] = draw(VALUES)
            case "more" if isinstance(at, list):
                at.append(copy.deepcopy(at[last]))  # type: ignore[call-overload]
            case "more":
                at[draw(st.sampled_from(TEXTS))] = draw(VALUES)
            case "less":
                del at[last]
    return found


def _like(value: Any, parts: list[Any]) -> list[Any]:
    """What is of the same kind."""
    if isinstance(value, bool):
        return [not value]
    extra = NUMBERS + FLOATS if isinstance(value, (int, float)) else TEXTS if isinstance(value, str) else []
    return [part for part in parts if type(part) is type(value)] + extra or [0]
