"""Each part of the fuzzing of the service, short: `make fuzz` is the long one."""

from pathlib import Path

import pytest

from tests.fuzz import mutants, openapi
from tests.fuzz.budget import Budget
from tests.fuzz.doors import watch
from tests.fuzz.doors.table import DOORS

SHORT = Budget(cases=150, minutes=0, seed=1)
ONCE = openapi.Round("examples,fuzzing", each=3)


def test_strangers_break_nothing(tmp_path: Path) -> None:
    """What the OpenAPI document allows, and what it does not, is answered as it says; the store is whole afterwards."""
    openapi.run(tmp_path, SHORT, print, rounds=ONCE)


def test_what_is_almost_right_breaks_nothing(tmp_path: Path) -> None:
    """The examples with something changed in them."""
    mutants.run(tmp_path, SHORT, print)


@pytest.mark.parametrize("name", DOORS)
def test_a_door_answers_whatever_it_gets(name: str, tmp_path: Path) -> None:
    """Bytes that are almost right, in a process of its own: each is answered, soon and in little memory."""
    seen = watch.attack(name, tmp_path, SHORT)
    assert seen["cases"] >= SHORT.cases
