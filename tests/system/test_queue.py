"""Writers of one model queue: bounded, fair, and in nobody else's way."""

import fcntl
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.servers import Server, serving
from tests.service.calls import batch, call
from tests.service.specs import SIMPLE_CNN
from tests.system import counting
from tests.system.workers import each

REQUEST_THREADS = 12
PLACES = REQUEST_THREADS // 2


@contextmanager
def held(server: Server, name: str) -> Iterator[None]:
    """The lock of a model, as a writer that has stopped holds it."""
    with open(server.data_dir / "locks" / f"{name}.lock", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def train(url: str) -> requests.Response:
    return call("POST", f"{url}/train", counting.TRAIN)


def timed(method: str, url: str, body: Any = None, **headers: str) -> requests.Response:
    """A reply that came within a second."""
    started = time.monotonic()
    reply = call(method, url, body, **headers)
    assert time.monotonic() - started < 1
    return reply


@contextmanager
def waiting(pool: ThreadPoolExecutor, url: str, count: int) -> Iterator[list[Future[requests.Response]]]:
    """So many writers that wait for their turn."""
    writers = [pool.submit(train, url) for _ in range(count)]
    assert not wait(writers, timeout=1).done
    yield writers


def busy(url: str) -> None:
    """Another writer is told at once to come again."""
    refused = timed("POST", f"{url}/train", counting.TRAIN)
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert refused.headers["Retry-After"] == "1"


def test_the_queue_is_bounded(tmp_path: Path) -> None:
    """Half of the request threads may wait; the next writer is refused at once, of whatever model; readers go on.

    When the holder goes on, all that waited succeed, one version each.
    """
    with serving(tmp_path, "--request-threads", str(REQUEST_THREADS)) as running:
        slow, other = (counting.create(running.url, name) for name in ("slow", "other"))
        with ThreadPoolExecutor(PLACES) as pool:
            with held(running, "slow"), waiting(pool, slow, PLACES - 1) as writers:
                for version in range(3, 6):
                    assert timed("POST", f"{other}/train", counting.TRAIN).json()["model_version"] == str(version)
                with waiting(pool, slow, 1) as last:
                    for url in (slow, other):
                        busy(url)
                        for _ in range(5):
                            assert timed("POST", f"{url}/infer", counting.INFER).status_code == 200
                            assert timed("GET", f"{url}/versions").status_code == 200
            replies = [writer.result() for writer in [*writers, *last]]
        assert [reply.status_code for reply in replies] == [200] * PLACES
        assert sorted(counting.number(reply) for reply in replies) == list(range(3, 3 + PLACES))
        assert train(other).json()["model_version"] == "6"


def test_each_worker_answers_readers_while_writers_wait(tmp_path: Path) -> None:
    """Writers that wait in both workers leave threads for predictions in both."""
    with serving(tmp_path, "--workers", "2", "--request-threads", "4") as running:
        url = counting.create(running.url, "m")
        with ThreadPoolExecutor(8) as pool:
            writers = []
            with held(running, "m"):
                for _ in each(running, 2):
                    with waiting(pool, url, 2) as two:
                        writers += two
                        busy(url)
                        assert timed("POST", f"{url}/infer", counting.INFER).status_code == 200
            assert [writer.result().status_code for writer in writers] == [200] * 4


def test_writers_take_turns(tmp_path: Path) -> None:
    """Of eight closed-loop writers none commits more than twice as often as another, in five seconds."""
    with serving(tmp_path, "--workers", "2", "--request-threads", "32") as running:
        url = counting.create(running.url, "m")
        end = time.monotonic() + 5

        def write(_: int) -> int:
            count = 0
            with requests.Session() as session:
                while time.monotonic() < end:
                    session.post(f"{url}/train", json=counting.TRAIN, timeout=30).raise_for_status()
                    count += 1
            return count

        with ThreadPoolExecutor(8) as pool:
            counts = list(pool.map(write, range(8)))
        newest = call("GET", f"{url}/versions?limit=1").json()["versions"][0]
    assert int(newest["version"]) == 2 + sum(counts)
    assert max(counts) <= 2 * min(counts), counts


@pytest.mark.parametrize("workers", [1, 2])
def test_a_repeat_of_a_running_request_is_told_so(tmp_path: Path, workers: int) -> None:
    """409 and Retry-After at once, by every worker; when it is done, the repeat gets its reply."""
    body = batch(64, epochs=1000, batch_size=16)
    with serving(tmp_path, "--workers", str(workers)) as running, ThreadPoolExecutor(1) as pool:
        url = f"{running.url}/v2/models/m"
        call("PUT", url, SIMPLE_CNN).raise_for_status()
        first = pool.submit(call, "POST", f"{url}/train", body, Idempotency_Key="k", If_Match="1")
        time.sleep(0.5)
        for _ in range(10):
            repeat = timed("POST", f"{url}/train", body, Idempotency_Key="k", If_Match="1")
            assert (repeat.status_code, repeat.json()["code"]) == (409, "key_in_flight"), repeat.text
            assert repeat.headers["Retry-After"] == "1"
        assert not first.done(), "the request was too short to prove anything"
        assert first.result().status_code == 200
        again = call("POST", f"{url}/train", body, Idempotency_Key="k", If_Match="1")
        assert again.content == first.result().content
        assert call("GET", f"{url}/versions").json()["versions"][0]["version"] == "2"


def test_a_stuck_commit_stops_no_reader(tmp_path: Path) -> None:
    """Who holds the catalog's lock for ever: half of the threads may wait for it, whatever they write; others read."""
    with serving(tmp_path, "--request-threads", str(REQUEST_THREADS)) as running, ThreadPoolExecutor(40) as pool:
        url = counting.create(running.url, "m")
        load = f"{running.url}/v2/repository/models/m/load"
        with open(tmp_path / "catalog.lock", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            writers = [pool.submit(call, "POST", load) for _ in range(2 * PLACES)]
            done = wait(writers, timeout=2).done
            assert len(done) == PLACES
            assert {writer.result().json()["code"] for writer in done} == {"busy"}
            assert timed("GET", f"{running.url}/v2/health/live").status_code == 200
            assert timed("POST", f"{url}/infer", counting.INFER).status_code == 200
            ready = call("GET", f"{running.url}/v2/health/ready").json()
            assert (ready["ready"], ready["writable"]) == (True, False)
        assert {writer.result().status_code for writer in writers} == {200, 503}
