"""A disk that takes no more, or a catalog that somebody else holds, stops writers alone, until it is mended."""

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.servers import Server, serving
from tests.service.calls import call, versions
from tests.system import counting
from tests.system.disks import Ext4, Filler, disk, read_only
from tests.system.workers import each, kill, restart

TWO = ("--workers", "2")
PATIENCE = 8.0  # seconds in which a writer is told that the catalog is held


@pytest.fixture
def full(tmp_path: Path) -> Iterator[tuple[Server, str, Filler]]:
    """Two workers on a full disk of 24 MB, and a model that counts; only the newest version is in no cache."""
    with disk(tmp_path / "disk") as folder, serving(folder, *TWO) as running:
        url = counting.create(running.url, "m")
        filler = Filler(folder)
        filler.fill()
        yield running, url, filler


def refused(reply: requests.Response) -> None:
    """The reply of a writer that the store refused: what to do is in the message."""
    assert (reply.status_code, reply.json()["code"]) == (503, "store_unavailable"), reply.text
    assert "repeat" in reply.json()["error"]
    assert "free the disk" in reply.json()["error"] or "mend the disk" in reply.json()["error"]
    assert reply.headers["Retry-After"] == "1"


def readable(url: str, version: int = 2) -> None:
    """Every verb that only reads answers at once, from this version."""
    for method, path, body in (
        ("POST", "infer", counting.INFER),
        ("POST", "gradients", counting.GRADIENTS),
        ("GET", "weights", None),
        ("GET", "versions", None),
    ):
        started = time.monotonic()
        reply = call(method, f"{url}/{path}", body)
        assert reply.status_code == 200, f"{path}: {reply.text}"
        assert time.monotonic() - started < 1, path
        if path != "versions":
            assert counting.number(reply) == version


def health(server: str) -> dict[str, Any]:
    """The body of ready, which is 200 whatever the store says."""
    reply = call("GET", f"{server}/v2/health/ready")
    assert (reply.status_code, reply.json()["ready"]) == (200, True)
    body: dict[str, Any] = reply.json()
    assert ("reason" in body) == (not body["writable"])
    return body


def blobs(server: Server) -> set[str]:
    return {path.name for path in (server.data_dir / "blobs").iterdir()}


def makers(server: str, url: str) -> list[requests.Response]:
    """One reply of every verb that makes a version."""
    return [
        call("POST", f"{url}/train", counting.TRAIN),
        call("POST", f"{url}/step", counting.STEP),
        counting.put(url, 3, Idempotency_Key="k"),
        call("POST", f"{url}/rollback", {"version": "1"}),
        call("PUT", f"{server}/v2/models/new", counting.SPECIFICATION),
    ]


def writers(server: str, url: str) -> list[requests.Response]:
    """One reply of every verb that writes."""
    return [
        *makers(server, url),
        call("PUT", f"{url}/aliases/production", {"version": "1"}),
        call("DELETE", url),
        call("POST", f"{server}/v2/repository/models/m/unload"),
    ]


def test_a_full_disk_stops_writers_alone(full: tuple[Server, str, Filler]) -> None:
    """In both workers: writers get 503 and leave no blob, readers go on, ready says why; freed, the repeat succeeds."""
    running, url, filler = full
    before = blobs(running)
    for _ in each(running, 2):
        for reply in writers(running.url, url):
            refused(reply)
        readable(url)
        assert health(running.url)["writable"] is False
    assert blobs(running) == before
    filler.remove()
    for _ in each(running, 2):
        assert health(running.url)["writable"] is True
        assert counting.number(counting.put(url, 3, Idempotency_Key="k")) == 3
        readable(url, 3)


def test_whatever_room_is_left_a_commit_is_whole_or_nothing(full: tuple[Server, str, Filler]) -> None:
    """With room for no page, one, two, ...: 503 until there is room for all of it; no blob is left of those refused."""
    running, url, filler = full
    for _ in range(100):
        before = blobs(running)
        reply = counting.put(url, 3, Idempotency_Key="k")
        if reply.status_code == 200:
            break
        refused(reply)
        readable(url)
        assert blobs(running) == before
        filler.free(1)
    assert reply.status_code == 200
    filler.remove()
    assert counting.counted(call("GET", f"{url}/weights").content) == 3


def test_what_was_acknowledged_on_a_full_disk_is_there_after_kill_9(tmp_path: Path) -> None:
    """A service that is killed on a full disk starts on it again, and answers."""
    with disk(tmp_path / "disk") as folder:
        filler = Filler(folder)
        with serving(folder, *TWO) as running:
            url = counting.create(running.url, "m")
            filler.fill()
            refused(counting.put(url, 3))
            kill(running)
        with serving(folder, *TWO) as running:
            url = f"{running.url}/v2/models/m"
            readable(url)
            refused(counting.put(url, 3))
            filler.remove()
            assert counting.number(counting.put(url, 3)) == 3


def test_a_folder_that_turns_read_only_stops_writers_alone(tmp_path: Path) -> None:
    """Where the blobs have a disk of their own that refuses writes: the same, and all is well when it takes them."""
    with disk(tmp_path / "blobs"), serving(tmp_path, *TWO) as running:
        url = counting.create(running.url, "m")
        with read_only(tmp_path / "blobs"):
            for _ in each(running, 2):
                for reply in makers(running.url, url):
                    refused(reply)
                readable(url)
                assert health(running.url)["writable"] is False
        for _ in each(running, 2):
            assert health(running.url)["writable"] is True
            assert counting.number(counting.put(url, 3, Idempotency_Key="k")) == 3


def test_a_disk_that_fails_stops_writers_alone(tmp_path: Path) -> None:
    """ext4 after an error refuses all writes, and workers that die are replaced all the same.

    Mended and started again, what was acknowledged is there.
    """
    ext4 = Ext4(tmp_path / "image")
    with ext4.mounted(tmp_path / "disk") as folder, serving(folder, *TWO) as running:
        url = counting.create(running.url, "m")
        ext4.fail(folder)
        for _ in each(running, 2):
            for reply in writers(running.url, url):
                refused(reply)
            readable(url)
            assert health(running.url)["writable"] is False
        restart(running, 2)
        for _ in each(running, 2):
            readable(url)
    with ext4.mounted(tmp_path / "disk") as folder, serving(folder, *TWO) as running:
        url = f"{running.url}/v2/models/m"
        readable(url)
        assert health(running.url)["writable"] is True
        assert counting.number(counting.put(url, 3, Idempotency_Key="k")) == 3


@contextmanager
def foreign(server: Server) -> Iterator[None]:
    """Another program in a transaction on the catalog."""
    connection = sqlite3.connect(server.data_dir / "catalog.sqlite", isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def test_workers_that_die_while_the_catalog_is_held_have_successors(tmp_path: Path) -> None:
    """They come up without writing, and answer who reads."""
    with serving(tmp_path, *TWO) as running:
        url = counting.create(running.url, "m")
        with foreign(running):
            restart(running, 2)
            for _ in each(running, 2):
                readable(url)


def test_a_catalog_that_is_held_stops_writers_alone(tmp_path: Path) -> None:
    """Four writers of four models are told within eight seconds each; meanwhile readers are answered at once."""
    with serving(tmp_path, *TWO) as running, ThreadPoolExecutor(4) as pool:
        urls = [counting.create(running.url, f"m{at}") for at in range(4)]
        before = blobs(running)

        def write(url: str) -> tuple[requests.Response, float]:
            started = time.monotonic()
            reply = counting.put(url, 3, Idempotency_Key=url)
            return reply, time.monotonic() - started

        with foreign(running):
            for _ in each(running, 2):
                assert health(running.url)["writable"] is False
            writing = [pool.submit(write, url) for url in urls]
            told = []
            while not all(writer.done() for writer in writing):
                for url in urls:
                    readable(url)
                told.append(health(running.url)["writable"])
            for reply, seconds in (writer.result() for writer in writing):
                refused(reply)
                assert seconds < PATIENCE
            assert not any(told), f"ready said writable {sum(told)} of {len(told)} times while four writers waited"
        assert blobs(running) == before
        assert health(running.url)["writable"] is True
        for url in urls:
            assert counting.number(write(url)[0]) == 3


def test_damage_on_a_full_disk_is_survived(tmp_path: Path) -> None:
    """The newest good version answers though nothing can be marked; when there is room again it is."""
    with disk(tmp_path / "disk") as folder:
        with serving(folder) as first:
            url = counting.create(first.url, "m")
            counting.put(url, 3)
            digest = versions(first.url, "m")[0]["digest"]
        spoil(folder, digest)
        filler = Filler(folder)
        with serving(folder) as second:
            filler.fill()
            url = f"{second.url}/v2/models/m"
            found = call("POST", f"{url}/infer", counting.INFER)
            assert (found.status_code, counting.number(found)) == (200, 2)
            assert found.headers["Convserve-Degraded"] == "3"
            assert call("POST", f"{url}/versions/3/infer", counting.INFER).status_code == 410
            filler.remove()
            found = call("POST", f"{url}/infer", counting.INFER)
            assert (counting.number(found), found.headers["Convserve-Degraded"]) == (2, "3")
            assert versions(second.url, "m")[0]["available"] is False
            assert counting.number(counting.put(url, 4)) == 4


def spoil(folder: Path, digest: str) -> None:
    """Another last byte in the blob of a digest."""
    for path in (folder / "blobs").iterdir():
        data = bytearray(path.read_bytes())
        if f"sha256:{hashlib.sha256(data).hexdigest()}" == digest:
            data[-1] ^= 1
            path.write_bytes(data)
            return
    raise AssertionError("there is no such blob")
