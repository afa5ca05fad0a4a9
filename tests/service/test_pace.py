"""How long a client may take."""

import pytest

from convserve_service.front.pace import Pace

# (second, bytes) of what moves; when its time is over, of 10 seconds in hand at 100 bytes a second
ROWS: dict[str, tuple[list[tuple[float, int]], float]] = {
    "nothing comes": ([], 10),
    "a second is earned": ([(5, 100)], 11),
    "no more than the seconds in hand": ([(1, 1_000_000)], 11),
    "what came in time is of no use after a pause": ([(1, 1_000_000), (10.5, 1)], 11.01),
    "half of the rate": ([(second, 50) for second in range(1, 20)], 19.5),
    "the rate": ([(second, 100) for second in range(1, 101)], 110),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_when_its_time_is_over(row: tuple[list[tuple[float, int]], float]) -> None:
    """Bytes earn time, which cannot be saved."""
    moves, end = row
    pace = Pace(10, 100)
    pace.begin(0)
    for second, count in moves:
        assert pace.deadline >= second
        pace.moved(count, second)
    assert pace.deadline == pytest.approx(end)
