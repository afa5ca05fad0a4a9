"""What an operator asks of a data directory: replay, verify, doctor, acknowledge."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import environment, serving
from tests.service.calls import batch, call
from tests.service.specs import trained_with
from tests.service.stored import ended, file

SPEC = trained_with(optimizer={"name": "adam"})


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """`convserve ...`, without a traceback whatever happens."""
    done = subprocess.run(
        [sys.executable, "-m", "convserve_service", *words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model `jobs` made by two jobs; `mixed` by a train and a job after it; nobody serves it now."""
    path = tmp_path_factory.mktemp("operated")
    with serving(path) as server:
        call("PUT", f"{server.url}/v2/datasets/d", file())
        for name in ("jobs", "mixed"):
            call("PUT", f"{server.url}/v2/models/{name}", SPEC).raise_for_status()
        call("POST", f"{server.url}/v2/models/mixed/train", batch(4)).raise_for_status()
        for name, options in (
            ("jobs", {"epochs": 2, "batch_size": 7, "commit_every": 5, "shuffle_seed": 1}),
            ("jobs", {"batch_size": 40, "optimizer": {"learning_rate": 0.1}}),
            ("mixed", {"batch_size": 8}),
        ):
            fit = {"dataset": "d", **options}
            job = call("POST", f"{server.url}/v2/models/{name}/fit", fit).json()["job"]
            assert ended(server.url, job)["state"] == "succeeded"
    return path


def test_replay_makes_the_same_digests_again(folder: Path) -> None:
    """The creation, three segments of the first job, and the second job with a learning rate of its own."""
    done = command("replay", "jobs", "--data-dir", str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  same") == 5
    assert "5 versions made again, 0 different" in done.stdout


def test_replay_refuses_what_it_cannot_make(folder: Path) -> None:
    """It names the versions that were not made by jobs; after them it can begin."""
    refused = command("replay", "mixed", "--data-dir", str(folder))
    assert refused.returncode == 1
    assert "versions 2 (train) were not made by jobs" in refused.stderr
    assert "1 versions made again" in command("replay", "mixed", "--from", "2", "--data-dir", str(folder)).stdout


def test_replay_tells_other_machines_from_differences(folder: Path, tmp_path: Path) -> None:
    """On another kind of CPU it says "not comparable"; with other bits in the history it says DIFFERENT."""
    copy = copied(folder, tmp_path)
    sql(copy, "UPDATE versions SET cpu = 'abacus' WHERE model = 'jobs' AND version = 3")
    refused = command("replay", "jobs", "--data-dir", str(copy))
    assert refused.returncode == 1
    assert "not comparable: version 3 was made by release" in refused.stderr
    sql(copy, "UPDATE versions SET cpu = (SELECT cpu FROM versions LIMIT 1), digest = 'sha256:0' WHERE version = 3")
    found = command("replay", "jobs", "--data-dir", str(copy))
    assert found.returncode == 1
    assert "5 versions made again, 1 different" in found.stdout


def test_replay_wants_the_dataset_as_it_was(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path)
    sql(copy, "UPDATE datasets SET digest = 'sha256:1'")
    refused = command("replay", "jobs", "--data-dir", str(copy))
    assert refused.returncode == 1
    assert "put the old bytes under that name" in refused.stderr


def test_verify_finds_every_flipped_bit(folder: Path, tmp_path: Path) -> None:
    """All is whole; then one bit of any file is not, and it is named."""
    copy = copied(folder, tmp_path)
    whole = command("verify", "--data-dir", str(copy))
    assert (whole.returncode, whole.stderr) == (0, "")
    assert "0 of them not whole" in whole.stdout
    for blob in (copy / "blobs").iterdir():
        data = bytearray(blob.read_bytes())
        data[-1] ^= 1
        blob.write_bytes(data)
        found = command("verify", "--data-dir", str(copy))
        assert found.returncode == 1
        assert "1 of them not whole" in found.stdout
        data[-1] ^= 1
        blob.write_bytes(data)


def test_verify_works_beside_a_service(folder: Path, tmp_path: Path) -> None:
    """And changes nothing."""
    copy = copied(folder, tmp_path)
    with serving(copy):
        assert command("verify", "--data-dir", str(copy)).returncode == 0


def test_doctor_says_what_it_finds(folder: Path) -> None:
    """Facts with ok, and a status of 0 where there is no worry."""
    done = command("doctor", "--data-dir", str(folder))
    for told in ("SQLite", "cores", "2 models, 1 datasets", "no server uses it now", "the store can be written"):
        assert told in done.stdout
    assert done.returncode == ("WORRY" in done.stdout)


def test_doctor_makes_nothing(tmp_path: Path) -> None:
    """Neither a folder nor anything in an empty one."""
    for folder in (tmp_path, tmp_path / "none"):
        assert "no service has used it yet" in command("doctor", "--data-dir", str(folder)).stdout
    assert not list(tmp_path.iterdir())


def test_looking_changes_nothing(folder: Path, tmp_path: Path) -> None:
    """replay and verify tell of a damaged file, but leave it to the service to note it."""
    copy = copied(folder, tmp_path)
    for blob in (copy / "blobs").iterdir():
        blob.write_bytes(b"\xff" * blob.stat().st_size)
    before = sorted(path.name for path in copy.rglob("*.safetensors"))
    assert command("verify", "--data-dir", str(copy)).returncode == 1
    assert command("replay", "jobs", "--from", "1", "--data-dir", str(copy)).returncode == 1
    assert sorted(path.name for path in copy.rglob("*.safetensors")) == before
    connection = sqlite3.connect(copy / "catalog.sqlite")
    assert connection.execute("SELECT DISTINCT state FROM versions").fetchall() == [("available",)]
    connection.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_doctor_worries_about_a_folder_it_cannot_write(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path)
    (copy / "blobs").chmod(0o500)
    done = command("doctor", "--data-dir", str(copy))
    (copy / "blobs").chmod(0o700)
    assert done.returncode == 1
    assert "cannot be written" in done.stdout


@pytest.mark.parametrize("words", [("verify",), ("replay", "m"), ("acknowledge", "m")], ids=lambda words: words[0])
def test_a_folder_without_a_catalog_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Nothing is made in it."""
    done = command(*words, "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "there is no catalog" in done.stderr
    assert not list(tmp_path.iterdir())


def test_unknown_models_are_told(folder: Path) -> None:
    for words in (("replay", "none"), ("acknowledge", "none")):
        done = command(*words, "--data-dir", str(folder))
        assert done.returncode == 1
        assert "there is no model 'none'" in done.stderr


def copied(folder: Path, to: Path) -> Path:
    """A copy of a data directory that nobody uses."""
    return Path(shutil.copytree(folder, to / "copy"))


def sql(folder: Path, statement: str) -> None:
    """A change behind the service's back."""
    connection = sqlite3.connect(folder / "catalog.sqlite")
    connection.execute(statement)
    connection.commit()
    connection.close()
