"""docs/security.md is a promise: each of its rows is held by tests that there are."""

import re

import pytest

from tests.servers import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = re.findall(r"^\| API(\d+) .*$", PAGE, re.M)
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


def test_all_ten_risks_are_there() -> None:
    """In order, each with a test or more in its last column."""
    assert [int(number) for number in ROWS] == list(range(1, 11))
    for line in re.findall(r"^\| API\d+ .*$", PAGE, re.M):
        assert re.fullmatch(r"( ?`tests/[\w/]+\.py::test_\w+`,?)+", line.rstrip("| ").rsplit("|", 1)[1]), line


@pytest.mark.parametrize(("file", "name"), TESTS, ids=[name for _, name in TESTS])
def test_what_holds_a_row_is_there(file: str, name: str) -> None:
    """A file with a test of that name, which is not skipped."""
    found = re.search(rf"((?:^@.*\n)*)^def {name}\(", (ROOT / file).read_text(), re.M)
    assert found is not None
    assert "skip" not in found[1]
