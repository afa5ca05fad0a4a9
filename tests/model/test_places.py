"""Threads that compute together have CPUs of their own, and the caller gets back what it had."""

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from convserve_model.executor import Executor
from convserve_model.pool import Pool

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="there is one CPU"
)


@pytest.fixture
def pool() -> Any:
    made = Pool(2)
    yield made
    made.places.leave()
    made.close()


def where(_: Any) -> tuple[int, set[int]]:
    """The thread and its CPUs; both threads are needed."""
    barrier.wait(10)
    return threading.get_ident(), os.sched_getaffinity(0)


barrier = threading.Barrier(2)


def test_each_has_its_own(pool: Pool) -> None:
    """The caller one CPU, the other thread all others."""
    before = os.sched_getaffinity(0)
    for _ in range(3):
        found = dict(pool.map(where, range(2)))
        ours = found.pop(threading.get_ident())
        (theirs,) = found.values()
        assert len(ours) == 1
        assert theirs == before - ours
        pool.places.leave()
        assert os.sched_getaffinity(0) == before


def test_items_that_map_leave_the_others_where_they_are(pool: Pool) -> None:
    """A thread of the pool is no caller that others make room for."""
    before = os.sched_getaffinity(0)
    list(pool.map(lambda _: (barrier.wait(10), list(pool.map(str, range(3)))), range(2)))
    found = dict(pool.map(where, range(2)))
    ours = found.pop(threading.get_ident())
    assert [theirs & ours for theirs in found.values()] == [set()]
    pool.places.leave()
    assert os.sched_getaffinity(0) == before


def test_more_threads_than_cpus_go_where_they_like() -> None:
    before, pool = os.sched_getaffinity(0), Pool(len(os.sched_getaffinity(0)) + 1)
    list(pool.map(str, range(3)))
    assert os.sched_getaffinity(0) == before
    pool.close()


def test_who_was_told_a_cpu_keeps_it(pool: Pool) -> None:
    """Nothing is parted where the caller has one CPU alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        list(pool.map(where, range(2)))
        pool.places.leave()
        assert os.sched_getaffinity(0) == {max(before)}
    finally:
        os.sched_setaffinity(0, before)


def fail(_: Any) -> None:
    raise ValueError


@pytest.mark.parametrize("function", [where, fail])
def test_an_executor_lets_its_caller_go(function: Callable[[Any], Any]) -> None:
    before, executor = os.sched_getaffinity(0), Executor(2)
    try:
        executor.over(function, range(2))
    except ValueError:
        pass
    finally:
        executor.close()
    assert os.sched_getaffinity(0) == before


def test_a_system_that_refuses_is_no_failure(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a sandbox may."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    assert len(dict(pool.map(where, range(2)))) == 2
