"""The kill -9 campaign, short: `make crash` is the long one."""

from pathlib import Path

from tests.crash.campaign import Campaign

KILLS = 10


def test_nothing_acknowledged_is_lost_and_nothing_is_applied_twice(tmp_path: Path) -> None:
    """Two kills of each kind under load, everything checked after each, the whole history recomputed at the end."""
    Campaign(tmp_path, 1, print).run(KILLS)
