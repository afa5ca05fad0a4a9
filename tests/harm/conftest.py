"""One service for each corpus."""

from collections.abc import Iterator

import pytest

from tests.harm.service import Target, target


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target(tmp_path_factory.mktemp("attacked")) as found:
        yield found
