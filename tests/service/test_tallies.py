"""Numbers that processes share: exact sums over the living and the dead, and what happens when there is no place."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from convserve_service.counting import rows
from convserve_service.counting.exposition import Exposition
from convserve_service.counting.tallies import CELLS, LATEST, Key, Tallies
from convserve_service.store.store import Store

IN_FLIGHT = rows.IN_FLIGHT


def in_child(main: Callable[[], None], *, killed: bool = False) -> None:
    """Run it in a process of its own; with `killed`, that ends by SIGKILL."""
    child = os.fork()
    if not child:
        try:
            main()
            if killed:
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def lose_catalog(folder: Path) -> None:
    """Whoever opens it from now on finds none."""
    for path in folder.glob("catalog.sqlite*"):
        path.unlink()
    (folder / "catalog.sqlite").mkdir()


def test_sums_are_over_all_processes() -> None:
    """Three processes with random rows, one of them killed: every cell is the sum, the first one the greatest."""
    tallies = Tallies(parts=3)
    expected: Counter[tuple[Key, int]] = Counter()
    latest: dict[Key, int] = {}
    random = np.random.default_rng(0)
    for part in range(3):
        changes = [
            ((f"kind-{a % 3}", f"name-{b}"), int(cell), int(amount))
            for a, b, cell, amount in random.integers(1, (9, 40, CELLS, 1000), (500, 4))
        ]

        def work(part: int = part, changes: list[tuple[Key, int, int]] = changes) -> None:
            tallies.join(part)
            for key, cell, amount in changes:
                tallies.add((key, {cell: amount, LATEST: amount}))

        in_child(work, killed=part == 1)
        for key, cell, amount in changes:
            expected[key, cell] += amount
        last = {key: amount for key, _, amount in changes}
        latest = {key: max(latest.get(key, 0), last.get(key, 0)) for key in {*latest, *last}}
    found = tallies.read()
    sums = {(key, cell): cells[cell] for key, cells in found.items() for cell in range(1, CELLS) if cells[cell]}
    assert sums == expected
    assert {key: cells[LATEST] for key, cells in found.items()} == latest
    assert tallies.read("kind-1") == {key: cells for key, cells in found.items() if key[0] == "kind-1"}
    assert tallies.read("kind-1", "name-1").keys() <= {("kind-1", "name-1")}


def test_a_successor_goes_on_with_what_was_counted() -> None:
    """It adds to the rows of the process before it; what that was doing is not done any more."""
    tallies = Tallies(parts=2)

    def work() -> None:
        tallies.join(1)
        tallies.add((("requests", "infer"), {1: 5}))
        tallies.add((IN_FLIGHT, {1: 3}))

    in_child(work, killed=True)
    assert tallies.read()[IN_FLIGHT][1] == 3
    tallies.bury(1)
    in_child(work)
    assert tallies.read()["requests", "infer"][1] == 10
    assert tallies.read()[IN_FLIGHT][1] == 3


def test_a_full_part_says_what_it_did_not_count() -> None:
    """Rows that are there go on counting; the others are told as one number."""
    tallies = Tallies(rows=4)
    for name in "abcde" * 2:
        tallies.add((("row", name), {1: 1}))
    assert {key[1]: cells[1] for key, cells in tallies.read().items()} == {"a": 2, "b": 2, "c": 2}
    assert tallies.uncounted() == 4


def test_rows_that_nobody_needs_make_place() -> None:
    """Once the part is full; a row that is used again starts from nothing."""
    tallies = Tallies(rows=4)
    asked: list[set[Key]] = []

    def stale(keys: Iterable[Key]) -> list[Key]:
        asked.append(set(keys))
        return [("row", "a"), ("row", "b")]

    tallies.stale = stale
    for name in "aabcd":
        tallies.add((("row", name), {2: 1}))
    assert asked == [{("row", "a"), ("row", "b"), ("row", "c")}]
    tallies.add((("row", "b"), {2: 1}))
    assert {key[1]: cells[2] for key, cells in tallies.read().items()} == {"b": 1, "c": 1, "d": 1}
    tallies.add((("row", "e"), {2: 1}))
    assert (len(asked), tallies.uncounted()) == (1, 1)
    tallies.join(0)
    tallies.add((("row", "d"), {2: 1}))
    assert tallies.read()["row", "d"][2] == 2


def test_rows_of_what_is_gone_are_not_needed(store: Store) -> None:
    """Of models and versions that the catalog does not have; rows of verbs always are."""
    keys = [(rows.MODEL, "m", "infer"), (rows.VERSION, "m", "1"), (rows.SIZE, "m", "1", "8")]
    kept = [(rows.REQUESTS, "infer", "200"), (rows.SECONDS, "infer"), rows.IN_FLIGHT]
    assert rows.unneeded(store.catalog, [*keys, *kept]) == keys


def test_a_store_that_cannot_tell_frees_nothing(tmp_path: Path) -> None:
    """Rather than everything."""
    store = Store.open(tmp_path)
    lose_catalog(tmp_path)
    with ThreadPoolExecutor(1) as pool:  # a thread of its own has a connection of its own
        assert pool.submit(rows.unneeded, store.catalog, [(rows.MODEL, "m", "infer")]).result() == []


def test_metrics_are_told_without_the_catalog(tmp_path: Path) -> None:
    """What was counted, while nothing can be read."""
    store, tallies = Store.open(tmp_path), Tallies()
    tallies.add(((rows.REQUESTS, "infer", "503"), {rows.COUNT: 7}))
    lose_catalog(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        text, _ = pool.submit(Exposition(tallies, store).write, "").result()
    assert b'convserve_requests_total{status="503",verb="infer"} 7.0' in text
    assert b"convserve_jobs" not in text


def test_a_key_that_is_too_long_is_refused() -> None:
    """Rather than cut off, so that it never counts for another."""
    with pytest.raises(ValueError, match="more than 128 bytes"):
        Tallies().add((("x" * 129,), {1: 1}))


def test_the_longest_names_fit() -> None:
    """A model of 64 characters, the largest version and batch size."""
    tallies = Tallies()
    key = (rows.VERSION, "m" * 64, str((1 << 63) - 1), "65536")
    tallies.add((key, {1: 1}))
    assert tallies.read(rows.VERSION, "m" * 64)[key][1] == 1


@pytest.mark.parametrize("value", [0, 1, 2, 3, 4, 5, 8, 9, 65536, 65537])
def test_a_bucket_takes_what_is_at_most_its_bound(value: int) -> None:
    """As Prometheus' `le` means it, against a sum of comparisons."""
    row = rows.observed(value, rows.IMAGES_UP_TO)
    cumulative = [sum(row.get(rows.FIRST + i, 0) for i in range(at + 1)) for at in range(len(rows.IMAGES_UP_TO))]
    assert cumulative == [int(value <= bound) for bound in rows.IMAGES_UP_TO]
    assert (row[rows.COUNT], row[rows.SUM]) == (1, value)
