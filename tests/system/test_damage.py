"""Blobs that were damaged behind the service's back: the newest good version answers, and says what was lost."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.servers import environment, serving
from tests.service.calls import call, versions
from tests.system import counting
from tests.system.workers import each, kill, restart

TWO = ("--workers", "2")
DEGRADED = "Convserve-Degraded"


def overwrite(blob: Path) -> None:
    """Another number among the weights; the file stays well-formed."""
    data = bytearray(blob.read_bytes())
    data[-4:] = b"\0\0\0\0"
    blob.write_bytes(data)


def truncate(blob: Path) -> None:
    blob.write_bytes(blob.read_bytes()[:-100])


def empty(blob: Path) -> None:
    blob.write_bytes(b"")


def scribble(blob: Path) -> None:
    blob.write_bytes(b"\xff" * blob.stat().st_size)


DAMAGES: tuple[Callable[[Path], None], ...] = (overwrite, truncate, empty, scribble, Path.unlink)


def blob(folder: Path, row: dict[str, str]) -> Path:
    """The file of a version, by its digest."""
    for path in (folder / "blobs").iterdir():
        if f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" == row["digest"]:
            return path
    raise AssertionError(f"version {row['version']} has no blob")


def damaged(folder: Path, last: int, lost: set[int], damage: Callable[[Path], None]) -> list[Path]:
    """A model `m` with versions up to `last`, some of them damaged after kill -9; their blobs."""
    with serving(folder, *TWO) as running:
        url = counting.create(running.url, "m")
        for version in range(3, last + 1):
            counting.put(url, version).raise_for_status()
        files = [blob(folder, row) for row in versions(running.url, "m") if int(row["version"]) in lost]
        kill(running)
    for file in files:
        damage(file)
    return files


def answers(url: str, version: int, lost: int | None) -> None:
    """Infer and GET weights are of this version, and tell which newer one was lost."""
    told = None if lost is None else str(lost)
    infer = call("POST", f"{url}/infer", counting.INFER)
    assert infer.status_code == 200, infer.text
    assert (counting.number(infer), infer.headers.get(DEGRADED)) == (version, told)
    assert counting.outputs(infer) == {"logits": {counting.logits(version)}}
    weights = call("GET", f"{url}/weights")
    assert weights.status_code == 200, weights.text
    assert (counting.number(weights), weights.headers.get(DEGRADED)) == (version, told)
    assert counting.counted(weights.content) == version


def gone(reply: requests.Response) -> None:
    assert (reply.status_code, reply.json()["code"]) == (410, "version_damaged"), reply.text


def acknowledge(folder: Path, model: str = "m") -> subprocess.CompletedProcess[str]:
    """What an operator types."""
    command = [sys.executable, "-m", "convserve_service", "acknowledge", model, "--data-dir", str(folder)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_the_newest_good_version_answers(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """On both workers, with the lost version in a header; the row stays, the file is put aside, numbers go on."""
    (file,) = damaged(tmp_path, 4, {4}, damage)
    kept = file.exists()
    with serving(tmp_path, *TWO) as running:
        url = f"{running.url}/v2/models/m"
        for _ in each(running, 2):
            answers(url, 3, lost=4)
            gone(call("POST", f"{url}/versions/4/infer", counting.INFER))
            gone(call("GET", f"{url}/versions/4/weights"))
        assert not file.exists()
        assert (tmp_path / "damaged" / file.name).exists() == kept
        rows = versions(running.url, "m")
        assert [(row["version"], row["available"]) for row in rows] == [
            ("4", False), ("3", True), ("2", True), ("1", True),
        ]  # fmt: skip
        late = counting.put(url, 5, If_Match="4")
        assert (late.status_code, counting.number(late)) == (412, 3)
        gone(call("POST", f"{url}/rollback", {"version": "4"}))
        gone(call("PUT", f"{url}/aliases/production", {"version": "4"}))
        assert counting.number(counting.put(url, 5, If_Match="3")) == 5
        assert versions(running.url, "m")[0]["parent"] == "3"
        for _ in each(running, 2):
            answers(url, 5, lost=4)


def test_the_header_stays_until_it_is_acknowledged(tmp_path: Path) -> None:
    """After a train and after a restart; an operator ends it, while the service runs."""
    damaged(tmp_path, 4, {4}, overwrite)
    with serving(tmp_path, *TWO) as running:
        url = f"{running.url}/v2/models/m"
        answers(url, 3, lost=4)
        assert counting.number(counting.put(url, 5)) == 5
        kill(running)
    with serving(tmp_path, *TWO) as running:
        url = f"{running.url}/v2/models/m"
        for _ in each(running, 2):
            answers(url, 5, lost=4)
        done = acknowledge(tmp_path)
        assert done.returncode == 0, done.stderr
        for _ in each(running, 2):
            answers(url, 5, lost=None)
        gone(call("GET", f"{url}/versions/4/weights"))


def test_it_is_acknowledged_while_the_service_is_stopped(tmp_path: Path) -> None:
    """After the loss was found; and a model that is not there is told in one line."""
    damaged(tmp_path, 4, {4}, Path.unlink)
    with serving(tmp_path) as running:
        answers(f"{running.url}/v2/models/m", 3, lost=4)
    unknown = acknowledge(tmp_path, "nobody")
    assert unknown.returncode != 0
    assert "nobody" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    done = acknowledge(tmp_path)
    assert done.returncode == 0, done.stderr
    with serving(tmp_path) as running:
        answers(f"{running.url}/v2/models/m", 3, lost=None)


def test_several_newest_versions_are_lost(tmp_path: Path) -> None:
    """The head falls back over all of them, and the newest is told."""
    damaged(tmp_path, 6, {4, 5, 6}, truncate)
    with serving(tmp_path, *TWO) as running:
        url = f"{running.url}/v2/models/m"
        for _ in each(running, 2):
            answers(url, 3, lost=6)
        assert [row["available"] for row in versions(running.url, "m")] == [False] * 3 + [True] * 3
        assert counting.number(counting.put(url, 7)) == 7


def test_a_writer_may_be_the_first_to_find_out(tmp_path: Path) -> None:
    """It goes on from the newest good version, and its reply tells of the lost one."""
    damaged(tmp_path, 4, {4}, overwrite)
    with serving(tmp_path, *TWO) as running:
        url = f"{running.url}/v2/models/m"
        late = counting.put(url, 5, If_Match="4")
        assert (late.status_code, counting.number(late)) == (412, 3)
        made = call("POST", f"{url}/train", counting.TRAIN)
        assert (made.status_code, counting.number(made), made.headers.get(DEGRADED)) == (200, 5, "4")
        assert versions(running.url, "m")[0]["parent"] == "3"


def test_an_older_version_is_lost(tmp_path: Path) -> None:
    """It alone answers 410; the newest is not degraded."""
    damaged(tmp_path, 4, {3}, overwrite)
    with serving(tmp_path, *TWO) as running:
        url = f"{running.url}/v2/models/m"
        for _ in each(running, 2):
            gone(call("POST", f"{url}/versions/3/infer", counting.INFER))
            answers(url, 4, lost=None)
        assert [row["available"] for row in versions(running.url, "m")] == [True, False, True, True]


def test_all_versions_are_lost(tmp_path: Path) -> None:
    """Infer, train and weights answer 410, the history and other models stay, DELETE removes it, numbers go on."""
    damaged(tmp_path, 3, {1, 2, 3}, scribble)
    with serving(tmp_path, *TWO) as running:
        url = f"{running.url}/v2/models/m"
        other = counting.create(running.url, "other")
        for _ in each(running, 2):
            gone(call("POST", f"{url}/infer", counting.INFER))
            gone(call("POST", f"{url}/train", counting.TRAIN))
            gone(call("GET", f"{url}/weights"))
            gone(counting.put(url, 4))
            answers(other, 2, lost=None)
        assert [row["available"] for row in versions(running.url, "m")] == [False] * 3
        deleted = call("DELETE", url)
        assert deleted.status_code == 200, deleted.text
        assert call("POST", f"{url}/infer", counting.INFER).status_code == 404
        assert call("PUT", url, counting.SPECIFICATION).json()["model_version"] == "4"


def test_a_restarted_worker_checks_what_came_before_it(tmp_path: Path) -> None:
    """A blob that is damaged while the service runs is found by a worker that starts later, and by digest."""
    with serving(tmp_path, "--workers", "1") as running:
        url = counting.create(running.url, "m")
        counting.put(url, 3).raise_for_status()
        overwrite(blob(tmp_path, versions(running.url, "m")[0]))
        restart(running)
        answers(url, 2, lost=3)
