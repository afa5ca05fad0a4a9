"""Immutable values: frozen dataclasses that take little time to make.

`dataclasses.dataclass(frozen=True)` writes and compiles six methods for each class. Before Python 3.13 that takes a
millisecond, for all layers and families together a twentieth of a service's start. Here a class has an `__init__` of
its own, and shares the other methods, which are the same for all.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # type checkers know this one
    from dataclasses import dataclass as dataclass
else:

    def dataclass(*, frozen: Literal[True]) -> Callable[[type], type]:
        """As that of the standard library; what is not a parameter of `__init__` is neither compared nor shown."""

        def made(cls: type) -> type:
            cls = dataclasses.dataclass(eq=False, repr=False)(cls)
            for method in METHODS:
                setattr(cls, method.__name__, method)
            return cls

        return made


def _fields(value: Any) -> tuple[Any, ...]:
    known = vars(value)
    return tuple([known[name] for name in value.__match_args__])


def __setattr__(self: Any, name: str, value: Any) -> None:
    """A field is set once, by `__init__`."""
    if name in vars(self) or name not in self.__dataclass_fields__:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
    vars(self)[name] = value


def __delattr__(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def __eq__(self: Any, other: object) -> bool:
    return _fields(self) == _fields(other) if type(other) is type(self) else NotImplemented


def __hash__(self: Any) -> int:
    return hash(_fields(self))


def __repr__(self: Any) -> str:
    shown = (f"{name}={value!r}" for name, value in zip(self.__match_args__, _fields(self), strict=True))
    return f"{type(self).__qualname__}({', '.join(shown)})"


METHODS = (__setattr__, __delattr__, __eq__, __hash__, __repr__)
