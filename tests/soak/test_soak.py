"""The soak, short: `make soak` is the long one, which also judges growth."""

from pathlib import Path

from tests.soak.campaign import run
from tests.soak.clients import calls
from tests.soak.growth import Growth

SECONDS = 10


def test_no_request_fails_under_full_load(tmp_path: Path) -> None:
    """Of any kind, with a job in the background; a version that stays answers the same bytes; the store is whole."""
    told: list[str] = []
    wrong = run(tmp_path, SECONDS, told.append)
    assert [text for text in wrong if " grew " not in text] == []
    assert {line.rsplit(maxsplit=2)[0].strip() for line in told} >= {*calls(), "fit"}


def test_growth_is_seen() -> None:
    """A process that grows by a tenth is told, one that breathes is not."""
    growth = Growth(0)
    growth.samples[1] = [(float(i), 200_000_000 + 1_000_000 * i) for i in range(100)]
    growth.samples[2] = [(float(i), 200_000_000 + 5_000_000 * (i % 2)) for i in range(100)]
    assert [text.split()[1] for text in growth.grown()] == ["1"]
