"""How often and how many at once a key may ask, over all workers."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convserve_service import keys
from convserve_service.errors import RateLimited
from convserve_service.operations import Scope
from convserve_service.rates import Rates
from convserve_service.store.records import ApiKey
from convserve_service.store.store import Store
from tests.servers import environment, serving
from tests.service.calls import call
from tests.service.specs import SIMPLE_CNN
from tests.service.stored import file


def key(*, rate: float | None = None, concurrency: int | None = None) -> ApiKey:
    return ApiKey("0" * 12, "somebody", b"", ("infer",), rate, concurrency, "")


def accepted(rates: Rates, limited: ApiKey) -> float | None:
    """None where the request was accepted, else the seconds to wait."""
    try:
        rates.take(limited)()
    except RateLimited as refused:
        return refused.seconds
    return None


@pytest.mark.parametrize("rate", [0.1, 1, 3.5, 100])
def test_no_second_has_more_than_the_rate_and_its_burst(tmp_path: Path, rate: float) -> None:
    """Two workers, random arrivals at three times the rate for ten thousand of them.

    In any window of w seconds at most rate * w and one second's more are accepted, in all most of those that may be;
    who waits as long as it is told is accepted.
    """
    now = 1000.0
    workers = [Rates(tmp_path, clock=lambda: now) for _ in range(2)]
    draw = random.Random(1)
    times = []
    for _ in range(10_000):
        now += draw.expovariate(3 * rate)
        wait = accepted(draw.choice(workers), key(rate=rate))
        if wait is None:
            times.append(now)
        elif draw.random() < 0.01:
            now += wait + 1e-9
            assert accepted(draw.choice(workers), key(rate=rate)) is None
            times.append(now)
    for width in (1, 2, 10, 100):
        for first in range(0, len(times), 7):
            inside = sum(times[first] <= moment <= times[first] + width for moment in times[first : first + 20_000])
            assert inside <= rate * width + max(1, rate) + 1
    assert len(times) >= 0.7 * rate * (now - 1000)


def test_another_life_of_the_host_starts_anew(tmp_path: Path) -> None:
    """Its clock begins at zero again; what the file says about the last one locks nobody out."""
    late, early = (Rates(tmp_path, clock=lambda now=now: now) for now in (1e6, 5.0))  # type: ignore[misc]
    limited = key(rate=2)
    assert [accepted(late, limited) is None for _ in range(3)] == [True, True, False]
    assert [accepted(early, limited) is None for _ in range(3)] == [True, True, False]


def test_as_many_at_once_as_allowed(tmp_path: Path) -> None:
    """Over two workers; each end lets one more in."""
    workers, limited = [Rates(tmp_path), Rates(tmp_path)], key(concurrency=5)
    running = [workers[number % 2].take(limited) for number in range(5)]
    for done in tuple(running):
        for worker in workers:
            with pytest.raises(RateLimited):
                worker.take(limited)
        done()
        running.append(workers[1].take(limited))


def test_what_a_dead_process_held_is_free(tmp_path: Path) -> None:
    """kill -9 while it answers."""
    code = (
        "from pathlib import Path; from convserve_service.rates import Rates;"
        "from convserve_service.store.records import ApiKey;"
        f"done = Rates(Path({str(tmp_path)!r})).take(ApiKey('0' * 12, 'n', b'', (), None, 1, ''));"
        "print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(RateLimited):
            Rates(tmp_path).take(key(concurrency=1))
        process.kill()
    Rates(tmp_path).take(key(concurrency=1))()


def test_a_refused_rate_holds_no_place(tmp_path: Path) -> None:
    """Who sends too often keeps nobody from answering at once what is allowed."""
    rates, now = Rates(tmp_path, clock=lambda: 0.0), key(rate=1, concurrency=1)
    assert accepted(rates, now) is None
    assert [accepted(rates, now) for _ in range(3)] == [1.0, 1.0, 1.0]
    Rates(tmp_path, clock=lambda: 2.0).take(now)()


def test_a_key_sends_as_often_as_it_may(tmp_path: Path) -> None:
    """Two workers, connections that both share: 429 with Retry-After, other keys unhindered, and health open."""
    store = Store.open(tmp_path)
    slow, free = keys.create(store, "slow", (Scope.INFER,), rate=5), keys.create(store, "free", (Scope.INFER,))
    with serving(tmp_path, "--workers", "2") as server:
        started = time.monotonic()
        replies = [call("GET", f"{server.url}/v2", Authorization=f"Bearer {slow}") for _ in range(30)]
        allowed = [reply for reply in replies if reply.status_code == 200]
        assert 5 <= len(allowed) <= 5 + 5 * (time.monotonic() - started) + 1
        refused = next(reply for reply in replies if reply.status_code != 200)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.headers["Retry-After"] == "1"
        assert call("GET", f"{server.url}/v2", Authorization=f"Bearer {free}").status_code == 200
        assert call("GET", f"{server.url}/v2/health/live", Authorization=f"Bearer {slow}").status_code == 200


def test_a_key_is_answered_as_often_at_once_as_it_may(tmp_path: Path) -> None:
    """While a job's events stream, a key for one request at once gets 429; when the stream ends, it is let in."""
    store = Store.open(tmp_path)
    one = {"Authorization": f"Bearer {keys.create(store, 'one', (Scope.ADMIN,), concurrency=1)}"}
    with serving(tmp_path, "--workers", "2") as server:
        call("PUT", f"{server.url}/v2/models/m", SIMPLE_CNN, **one).raise_for_status()
        call("PUT", f"{server.url}/v2/datasets/d", file(), **one).raise_for_status()
        fit = {"dataset": "d", "epochs": 100_000, "batch_size": 1}
        job = call("POST", f"{server.url}/v2/models/m/fit", fit, **one).json()["job"]
        with call("GET", f"{server.url}/v2/jobs/{job}/events", stream=True, **one) as watched:
            assert next(watched.iter_lines())
            for _ in range(6):
                refused = call("GET", f"{server.url}/v2", **one)
                assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
                assert int(refused.headers["Retry-After"]) >= 1
        end = time.monotonic() + 15
        while call("GET", f"{server.url}/v2", **one).status_code == 429 and time.monotonic() < end:
            time.sleep(0.1)
        call("POST", f"{server.url}/v2/jobs/{job}/cancel", **one).raise_for_status()
        assert call("GET", f"{server.url}/v2/jobs/{job}", **one).status_code == 200
