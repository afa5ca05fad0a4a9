"""Readers beside a writer: every reply is of one version, the one that it names, and never of an old one."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.servers import serving
from tests.service.calls import call
from tests.system import counting

LAST = 120


def read_weights(url: str) -> int:
    reply = call("GET", f"{url}/weights")
    reply.raise_for_status()
    assert reply.headers["ETag"] == f'"sha256:{hashlib.sha256(reply.content).hexdigest()}"'
    assert counting.counted(reply.content) == counting.number(reply)
    return counting.number(reply)


def read_infer(url: str) -> int:
    reply = call("POST", f"{url}/infer", counting.INFER)
    reply.raise_for_status()
    version = counting.number(reply)
    assert reply.json()["model_version"] == str(version)
    assert counting.outputs(reply) == {"logits": {counting.logits(version)}}
    return version


def read_gradients(url: str) -> int:
    reply = call("POST", f"{url}/gradients", counting.GRADIENTS)
    reply.raise_for_status()
    version = counting.number(reply)
    assert reply.json()["model_version"] == str(version)
    expected = {name: {value} for name, value in counting.gradients(version).items()}
    assert counting.outputs(reply) == expected
    return version


def read_versions(url: str) -> int:
    reply = call("GET", f"{url}/versions?limit=1000")
    reply.raise_for_status()
    numbers = [int(row["version"]) for row in reply.json()["versions"]]
    assert numbers == list(range(numbers[0], 0, -1))
    assert [row["parent"] for row in reply.json()["versions"]] == [*map(str, numbers[1:]), None]
    return numbers[0]


READERS: tuple[Callable[[str], int], ...] = (
    read_weights, read_infer, read_gradients, read_versions, read_weights, read_infer,
)  # fmt: skip


def test_no_reply_mixes_versions_and_none_is_old(tmp_path: Path) -> None:
    """While 119 versions are made, six readers on two workers: whole, named truly, and never before the last reply."""
    acknowledged = 2
    done = threading.Event()

    def read(reader: Callable[[str], int]) -> set[int]:
        seen: set[int] = set()
        while not done.is_set():
            known = acknowledged
            version = reader(url)
            assert version >= known, f"{reader.__name__} saw version {version} after {known} was acknowledged"
            seen.add(version)
        return seen

    with serving(tmp_path, "--workers", "2") as running:
        url = counting.create(running.url, "m")
        with ThreadPoolExecutor(len(READERS)) as pool:
            reading = [pool.submit(read, reader) for reader in READERS]
            try:
                for version in range(3, LAST + 1):
                    reply = counting.put(url, version, If_Match=str(version - 1))
                    assert (reply.status_code, counting.number(reply)) == (200, version), reply.text
                    acknowledged = version
            finally:
                done.set()
            seen = [reader.result() for reader in reading]
    assert all(len(versions) > 5 for versions in seen), "the readers were too slow to prove anything"
