"""Checks of hyperparameters, with one form of message."""

import sys
from collections.abc import Callable
from typing import Any

from convserve_model.errors import OptionError, told
from convserve_model.protocols import Pair

LARGEST = 1 << 53  # of whole numbers: what every JSON reader holds exactly, and no product of sizes overflows a float


def check(name: str, value: Any, fits: bool, needed: str) -> None:
    """OptionError unless `fits`."""
    if not fits:
        raise OptionError(f"{name} is {told(value)}, but it must be {needed}", name)


def integer(name: str, value: Any, minimum: int) -> None:
    check(name, value, _is_int(value) and value >= minimum, f"an integer of at least {minimum}")
    check(name, value, value <= LARGEST, f"at most {LARGEST}")


def number(name: str, value: Any, fits: Callable[[float], bool], needed: str) -> None:
    real = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    check(name, value, real and fits(value), needed)
    check(name, value, not _is_int(value) or abs(value) <= LARGEST, f"at most {LARGEST} where it is a whole number")


def boolean(name: str, value: Any) -> None:
    check(name, value, isinstance(value, bool), "true or false")


def pair(name: str, value: Any, minimum: int) -> Pair:
    """A number or a pair of numbers, as a pair (vertical, horizontal)."""
    both = (value, value) if _is_int(value) else value
    fits = isinstance(both, (tuple, list)) and len(both) == 2 and all(_is_int(v) and v >= minimum for v in both)
    check(name, value, fits, f"an integer of at least {minimum}, or a pair of them")
    check(name, value, max(both) <= 1 << 20, f"at most {1 << 20}")
    return int(both[0]), int(both[1])


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
