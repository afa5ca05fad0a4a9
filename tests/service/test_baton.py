"""One thread at a time while it is quick, and nobody waits for one that is not."""

import threading
import time
from collections.abc import Callable

from convserve_service.front.baton import LONG_SECONDS, QUICK_SECONDS, Baton


def elsewhere(action: Callable[[], object]) -> threading.Event:
    """The action in a thread of its own, which lives on as those of a worker do; set when the action is done."""
    done = threading.Event()

    def run() -> None:
        action()
        done.set()
        threading.Event().wait()

    threading.Thread(target=run, daemon=True).start()
    return done


def waits(done: threading.Event) -> bool:
    return not done.wait(0.1)


def test_who_has_the_turn_keeps_it_while_quick() -> None:
    """It takes it again at once, and another waits."""
    baton = Baton(lambda: None)
    baton.take()
    baton.end("GET live", baton.begin())
    baton.watch()
    baton.take()
    assert waits(elsewhere(baton.take))


def test_the_watcher_gives_the_turn_away_where_something_takes_long() -> None:
    """To the one that waits; who took long waits then for the turn as others do."""
    baton = Baton(lambda: None)
    done = threading.Event()

    def other() -> None:
        baton.take()
        done.wait()
        baton.end("quick", baton.begin())
        baton.begin()

    baton.take()
    began = baton.begin()
    baton.watch()
    thread = elsewhere(other)
    assert waits(thread)
    time.sleep(QUICK_SECONDS)
    baton.watch()
    done.set()
    assert not waits(thread)
    time.sleep(QUICK_SECONDS)
    baton.watch()
    baton.end("slow", began)
    assert not waits(elsewhere(baton.take))


def test_what_took_long_is_begun_without_the_turn() -> None:
    """The next time nobody waits for it; once it was quick again, it keeps the turn."""
    baton = Baton(lambda: None)
    baton.take()
    began = baton.begin()
    baton.expect("POST train")
    time.sleep(LONG_SECONDS)
    baton.end("POST train", began)
    began = baton.begin()
    baton.expect("POST train")
    taken = elsewhere(lambda: (baton.take(), baton.begin()))
    assert not waits(taken)
    baton.end("POST train", began)
    assert waits(elsewhere(baton.take))


def test_the_watcher_sleeps_while_nothing_is_done_and_is_woken() -> None:
    """Once for what begins after it slept."""
    woken: list[int] = []
    baton = Baton(lambda: woken.append(1))
    assert baton.watch() > 60
    baton.take()
    for _ in range(3):
        baton.end("GET live", baton.begin())
    assert woken == [1]
    assert baton.watch() == QUICK_SECONDS
    assert baton.watch() > 60
