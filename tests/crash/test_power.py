"""Two power cuts; `make crash` makes more."""

from collections.abc import Iterator

import pytest

from tests.crash.disk import Disk, Unmountable, disk
from tests.crash.power import cuts


@pytest.fixture
def mounted() -> Iterator[Disk]:
    try:
        with disk() as made:
            yield made
    except Unmountable as error:
        pytest.skip(str(error))


def test_what_was_acknowledged_survives_a_power_cut(mounted: Disk) -> None:
    """Versions with their digests and readable weights; repeated keys get the stored replies; nothing twice."""
    for acknowledged, wrong in cuts(mounted, 2, seed=1):
        assert acknowledged
        assert wrong == []
