"""Retention: the states of the newest versions and of those with an alias stay, every row stays."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.servers import Server, serving
from tests.service.calls import call, versions
from tests.system import counting
from tests.system.workers import each, kill

KEEP = 5
OPTIONS = ("--workers", "2", "--keep", str(KEEP))


def collected(reply: requests.Response) -> None:
    assert (reply.status_code, reply.json()["code"]) == (410, "version_collected"), reply.text


def blobs(server: Server) -> int:
    return len(list((server.data_dir / "blobs").iterdir()))


def available(server: Server) -> list[int]:
    """The versions that have their state; every version has its row."""
    rows = versions(server.url, "m")
    assert [int(row["version"]) for row in rows] == list(range(int(rows[0]["version"]), 0, -1))
    return [int(row["version"]) for row in rows if row["available"]]


def alias(url: str, name: str, version: int) -> requests.Response:
    return call("PUT", f"{url}/aliases/{name}", {"version": str(version)})


def test_the_newest_and_the_aliased_stay(tmp_path: Path) -> None:
    """Of 13 versions with --keep 5, five and two with an alias; the others are 410 on both workers, after a restart."""
    with serving(tmp_path, *OPTIONS) as running:
        url = counting.create(running.url, "m")
        for version in range(3, 14):
            if version == 5:
                alias(url, "first", 2).raise_for_status()
                alias(url, "second", 4).raise_for_status()
            call("POST", f"{url}/train", counting.TRAIN).raise_for_status()
        kept = [13, 12, 11, 10, 9, 4, 2]
        assert available(running) == kept
        assert blobs(running) == len(kept)
        kill(running)
    with serving(tmp_path, *OPTIONS) as running:
        url = f"{running.url}/v2/models/m"
        for _ in each(running, 2):
            for version in range(1, 14):
                for reply in (
                    call("POST", f"{url}/versions/{version}/infer", counting.INFER),
                    call("GET", f"{url}/versions/{version}/weights"),
                ):
                    if version in kept:
                        assert (reply.status_code, counting.number(reply)) == (200, version)
                    else:
                        collected(reply)
            assert counting.number(call("GET", f"{url}/versions/second/weights")) == 4
            collected(call("POST", f"{url}/rollback", {"version": "3"}))
            collected(alias(url, "third", 3))
        assert available(running) == kept
        assert blobs(running) == len(kept)


def test_an_alias_holds_a_version_as_long_as_it_is_there(tmp_path: Path) -> None:
    """Moved or deleted, it lets go of the version, which the next commit collects."""
    with serving(tmp_path, *OPTIONS) as running:
        url = counting.create(running.url, "m")
        alias(url, "production", 1).raise_for_status()
        alias(url, "candidate", 2).raise_for_status()
        for version in range(3, 10):
            counting.put(url, version).raise_for_status()
        assert available(running) == [9, 8, 7, 6, 5, 2, 1]
        alias(url, "production", 9).raise_for_status()
        call("DELETE", f"{url}/aliases/candidate").raise_for_status()
        counting.put(url, 10).raise_for_status()
        assert available(running) == [10, 9, 8, 7, 6]
        assert blobs(running) == KEEP
        call("DELETE", url).raise_for_status()
        assert blobs(running) == 0


@pytest.mark.parametrize("behind", [0, 1, 2])
def test_a_version_is_whole_until_it_is_collected(tmp_path: Path, behind: int) -> None:
    """Readers of the version that is collected just now, on two workers with --keep 2: all of it or 410."""
    newest = 2
    done = threading.Event()

    def read(_: int) -> list[int]:
        statuses = []
        while not done.is_set():
            version = max(1, newest - behind)
            reply = call("GET", f"{url}/versions/{version}/weights")
            statuses.append(reply.status_code)
            if reply.status_code == 200:
                assert counting.number(reply) == version
                assert version < 2 or counting.counted(reply.content) == version
            else:
                collected(reply)
        return statuses

    with serving(tmp_path, "--workers", "2", "--keep", "2") as running:
        url = counting.create(running.url, "m")
        with ThreadPoolExecutor(4) as pool:
            reading = [pool.submit(read, at) for at in range(4)]
            try:
                for version in range(3, 120):
                    counting.put(url, version).raise_for_status()
                    newest = version
            finally:
                done.set()
            statuses = [status for reader in reading for status in reader.result()]
        assert set(statuses) <= {200, 410}
        assert blobs(running) == 2
