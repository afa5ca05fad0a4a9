"""What follows from an immutable object and a few sizes is worked out once."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")


def remembered(method: Callable[..., T]) -> Callable[..., T]:
    """A pure method whose results stay with the object, as `functools.cached_property` keeps a value.

    For hashable positional arguments of few different values, such as the shapes that a prepared kernel meets.
    """
    name = f"_remembered_{method.__name__}"

    @wraps(method)
    def result(self: Any, *at: Any) -> T:
        known: dict[Any, T] | None = self.__dict__.get(name)
        if known is None:
            known = self.__dict__.setdefault(name, {})
        found = known.get(at)
        if found is None:
            found = known[at] = method(self, *at)
        return found

    return result
