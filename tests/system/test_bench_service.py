"""How the benchmark beside other services judges what it has measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.footprint.sides import OURS
from bench.service.agreement import Differ, compare
from bench.service.cells import Cell, Loaded
from bench.service.goals import Judged, judged
from bench.service.interference import Round
from bench.service.loads import Flat, LoadFailed, Steady, read_log
from bench.service.measuring import Results

IDLE = Steady(asked=100, rate=100, p50=0.001, p99=0.002)


def loaded(rate: float, p99: float) -> Loaded:
    return Loaded(Flat(rate, 0.001, p99, 0.0005), replace(IDLE, p99=p99))


def results(*rounds: dict[str, Loaded], training: float = 0.002) -> Results:
    return Results(0.0, [Cell("JSON", 8, 50.0, list(rounds))], [Round(IDLE, replace(IDLE, p99=training))])


def goals(found: Results) -> list[Judged]:
    """Those of the cell: requests/s, p99 flat out, p99 at a constant rate."""
    return judged(found)[:-1]


@pytest.mark.parametrize(
    ("ours", "met"), [((700, 0.010), [True, True, True]), ((690, 0.009), [False, True, True]),
                      ((700, 0.011), [True, False, False])]
)  # fmt: skip
def test_ours_is_compared_with_the_best_other_service_in_each_figure(
    ours: tuple[float, float], met: list[bool]
) -> None:
    """One is best in requests/s, another in p99; a ratio at its limit is met."""
    found = goals(results({"a": loaded(200, 0.020), OURS: loaded(*ours), "b": loaded(100, 0.010)}))
    assert [one.met for one in found] == met
    assert [one.where for one in found] == ["a, JSON, 8 connections"] + ["b, JSON, 8 connections"] * 2


def test_ratios_are_of_pairs_and_their_median_counts() -> None:
    """Not the ratio of medians: a round in which the machine was slow for both is worth as much as another."""
    fast, slow = {OURS: loaded(400, 0.01), "a": loaded(100, 0.01)}, {OURS: loaded(30, 0.01), "a": loaded(10, 0.01)}
    assert goals(results(fast, slow, slow))[0].ratio == pytest.approx(3.0)


def test_the_worst_cell_decides() -> None:
    """A goal of a form is met when all its cells meet it."""
    found = results({OURS: loaded(500, 0.01), "a": loaded(100, 0.01)})
    found.cells.append(Cell("JSON", 32, 50.0, [{OURS: loaded(300, 0.01), "a": loaded(100, 0.01)}]))
    assert (goals(found)[0].met, goals(found)[0].where) == (False, "a, JSON, 32 connections")


@pytest.mark.parametrize("failing", [OURS, "a"])
def test_where_one_failed_nothing_is_compared(failing: str) -> None:
    """A cell without ours, or without another, has no goal."""
    found = {OURS: loaded(500, 0.01), "a": loaded(100, 0.01)}
    del found[failing]
    assert goals(results(found)) == []


@pytest.mark.parametrize(("p99", "met"), [(0.006, True), (0.0061, False)])
def test_predictions_beside_a_training_may_take_three_times_as_long(p99: float, met: bool) -> None:
    assert judged(results({OURS: loaded(1, 1)}, training=p99))[-1].met is met


def test_a_log_of_requests_becomes_seconds(tmp_path: Path) -> None:
    """101 requests, 10 ms apart, that took 1 to 101 ms."""
    log = tmp_path / "log"
    log.write_text("".join(f"{10_000 * n}\t200\t{1000 * (n + 1)}\n" for n in range(101)))
    found = read_log(log, 101, 120.0)
    assert (found.asked, found.rate) == (120.0, pytest.approx(100.0))
    assert (found.p50, found.p99) == (pytest.approx(0.051), pytest.approx(0.100))


@pytest.mark.parametrize("last", ["2\t503\t9\n", "2\t-1\t9\n", ""])
def test_a_request_that_failed_fails_the_load(last: str, tmp_path: Path) -> None:
    """A status other than 200, a connection that broke, or a request that was never answered."""
    log = tmp_path / "log"
    log.write_text("1\t200\t5\n" + last)
    with pytest.raises(LoadFailed, match="1 of 2"):
        read_log(log, 2, 100.0)


@pytest.mark.parametrize(("got", "differs"), [([1.0, 2.0001], False), ([1.0, 2.01], True), ([1.0, np.nan], True),
                                              ([1.0], True)])  # fmt: skip
def test_services_that_answer_differently_are_not_compared(got: list[float], differs: bool) -> None:
    """Within the tolerance they may; beyond it, with other numbers of logits or with NaN nothing is measured."""
    if differs:
        with pytest.raises(Differ, match="other"):
            compare("other", np.array(got), np.array([1.0, 2.0]))
    else:
        compare("other", np.array(got), np.array([1.0, 2.0]))
