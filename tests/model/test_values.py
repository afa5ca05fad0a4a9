"""Values are frozen dataclasses in all that anybody does with them."""

import copy
import dataclasses
from dataclasses import FrozenInstanceError, field
from typing import Any

import pytest

from convserve_model import values


def made(dataclass: Any) -> Any:
    """A class by a decorator: a field without a default, with one, made anew for each, and set by nobody."""

    @dataclass(frozen=True)
    class Value:
        a: int
        b: tuple[int, ...] = (1, 2)
        c: dict[str, int] = field(default_factory=dict)
        d: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    return Value


Value, Known = made(values.dataclass), made(dataclasses.dataclass)
DONE = {
    "repr": lambda cls: repr(cls(1, b=())),
    "fields": lambda cls: [(one.name, one.default, one.init) for one in dataclasses.fields(cls)],
    "dictionary": lambda cls: dataclasses.asdict(cls(1, c={"x": 2})),
    "changed": lambda cls: dataclasses.asdict(dataclasses.replace(cls(1), a=3)),
    "equal": lambda cls: (cls(1) == cls(1), cls(1) == cls(2), cls(1) == (1, (1, 2), {}), cls(1) != cls(1)),
    "hash": lambda cls: hash(cls(1, c=0)),
    "in sets": lambda cls: len({cls(1, c=0), cls(1, c=0), cls(2, c=0)}),
    "what nobody set": lambda cls: cls(1).d,
    "matched": lambda cls: cls.__match_args__,
    "copied": lambda cls: copy.deepcopy(cls(1)) == cls(1),
}
REFUSED = {
    "set": lambda value: setattr(value, "a", 2),
    "set anew": lambda value: setattr(value, "other", 2),
    "deleted": lambda value: delattr(value, "a"),
}


@pytest.mark.parametrize("done", DONE.values(), ids=DONE.keys())
def test_a_value_is_a_frozen_dataclass(done: Any) -> None:
    """It does what that of the standard library does."""
    assert done(Value) == done(Known)


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED.keys())
def test_a_value_stays_as_it_is(refused: Any) -> None:
    """It can neither be set nor deleted, with the words of the standard library."""
    said = []
    for value in (Value(1), Known(1)):
        with pytest.raises(FrozenInstanceError) as error:
            refused(value)
        said.append(str(error.value))
        assert value.a == 1
    assert said[0] == said[1]


def test_values_of_two_classes_differ() -> None:
    """Though they have the same fields."""
    assert made(values.dataclass)(1) != Value(1)
