"""New connections are shared by the workers, and a worker that cannot accept holds up nobody for long."""

import os
import signal
from pathlib import Path

from bench.sharing import CONNECTIONS, measure
from convserve_service.sharing import NOBODY, YIELD_SECONDS, Counts, Share
from tests.processes import workers
from tests.servers import serving
from tests.service.calls import call


def test_no_worker_gets_less_than_three_in_ten(tmp_path: Path) -> None:
    """Of 40 connections on two workers, opened in turn or at once."""
    assert CONNECTIONS == 40
    for way, shares in measure(tmp_path, rounds=2).items():
        assert min(shares) >= 0.3, way


def test_a_worker_that_hangs_is_waited_for_once(tmp_path: Path) -> None:
    """With one of two stopped, the other one answers every new connection."""
    with serving(tmp_path, "--workers", "2") as server:
        victim, _ = workers(server.process.pid, 2)
        os.kill(victim, signal.SIGSTOP)
        try:
            for _ in range(5):
                assert call("GET", f"{server.url}/v2/health/live").status_code == 200
        finally:
            os.kill(victim, signal.SIGCONT)


def test_nobody_waits_for_who_has_as_many() -> None:
    """A worker yields while another has fewer connections, and no longer: two that yield would keep clients waiting."""
    counts = Counts()
    first, second = Share(counts, counts.join()), Share(counts, counts.join())
    first.tell(1)
    assert first.yields(1, 10.0)
    assert first.rests(1, 10.0)
    assert not second.yields(0, 10.0)
    second.tell(1)
    assert not first.rests(1, 10.0)
    assert not second.yields(1, 10.0)
    second.tell(2)
    assert second.yields(2, 10.0)
    assert second.rests(2, 10.0)
    assert not second.rests(2, 10.0 + YIELD_SECONDS)  # the first has had its chance
    assert not second.yields(2, 10.0 + YIELD_SECONDS)


def test_slots_are_used_again() -> None:
    """A worker that ended counts no more."""
    counts = Counts()
    first, second = counts.join(), counts.join()
    counts.slots[first], counts.slots[second] = 3, 5
    assert counts.least() == 3
    counts.leave(first)
    assert counts.least() == 5
    assert counts.join() == first
    counts.leave(first)
    counts.leave(second)
    assert counts.least() == NOBODY
