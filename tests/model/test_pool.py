"""Threads that share items: every result once and in order, and failures as a caller expects them."""

import threading
import time
from collections.abc import Iterator

import pytest

from convserve_model.pool import Pool


@pytest.fixture(params=[1, 2, 4])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    made = Pool(request.param)
    yield made
    made.close()


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_results_come_in_order(pool: Pool, count: int) -> None:
    """Whoever computes them, and though earlier items take longer."""

    def square(item: int) -> int:
        time.sleep(0.001 if item % 3 else 0.0)
        return item * item

    assert list(pool.map(square, range(count))) == [item * item for item in range(count)]


def test_the_first_failure_is_raised_and_no_more_is_begun(pool: Pool) -> None:
    """Those before it are given; the pool goes on working afterwards."""
    begun: list[int] = []

    def fail(item: int) -> int:
        begun.append(item)
        if item >= 3:
            raise ValueError(f"item {item}")
        return item

    given: list[int] = []
    with pytest.raises(ValueError, match="item 3"):
        given.extend(iter(pool.map(fail, range(10_000))))
    assert given == [0, 1, 2]
    assert len(begun) < 10_000
    assert list(pool.map(str, range(3))) == ["0", "1", "2"]


def test_items_may_map_themselves(pool: Pool) -> None:
    """No thread waits for an item that nobody has begun, so none waits for ever."""
    rows = pool.map(lambda row: list(pool.map(lambda column: row * column, range(5))), range(6))
    assert list(rows) == [[row * column for column in range(5)] for row in range(6)]


def test_nobody_is_at_an_item_any_more_when_the_failure_is_raised() -> None:
    """What the others work on may be somebody else's next."""
    pool, caller, begun, done = Pool(2), threading.get_ident(), threading.Event(), threading.Event()

    def work(_: int) -> None:
        if threading.get_ident() == caller:
            begun.wait()
            raise ValueError("stop")
        begun.set()
        time.sleep(0.1)
        done.set()

    with pytest.raises(ValueError, match="stop"):
        list(pool.map(work, range(20)))
    assert done.is_set()
    pool.close()
