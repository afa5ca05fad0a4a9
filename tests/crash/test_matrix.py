"""A sample of the system call matrix; `make crash` tries all of it."""

from collections.abc import Iterator

import pytest

from tests.crash.matrix import Matrix, matrix
from tests.crash.order import too_late
from tests.crash.trace import Untraceable, require_strace

SAMPLE = 12


@pytest.fixture(scope="module")
def whole() -> Iterator[Matrix]:
    try:
        require_strace()
    except Untraceable as error:
        pytest.skip(str(error))
    with matrix() as made:
        yield made


def test_every_call_can_be_killed_or_fail(whole: Matrix) -> None:
    """What was acknowledged is there, the rest is whole or invisible, and repeats apply everything exactly once."""
    attempts = whole.attempts()
    assert {one.point.call for one in attempts} >= {"openat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate"}
    sample = attempts[len(attempts) // SAMPLE // 2 :: len(attempts) // SAMPLE]
    assert {str(one): wrong for one in sample if (wrong := whole.wrong(one))} == {}


def test_what_is_acknowledged_is_on_disk_before(whole: Matrix) -> None:
    """Bytes and names before the commit that publishes them, the commit before its reply."""
    assert list(too_late(whole.trace.lines, f"{whole.data}/catalog.sqlite-wal", str(whole.report))) == []


MADE = 'openat(AT_FDCWD, "/d/b/x", O_WRONLY|O_CREAT|O_EXCL) = 3</d/b/x>'
COMMIT = ["pwrite64(5</d/log>, , 4096, 0) = 4096", "fdatasync(5</d/log>) = 0"]
REPLY = "write(6</report>, , 9) = 9"
TOO_LATE = {
    "bytes": [MADE, "write(3</d/b/x>, , 1) = 1", "fsync(4</d/b>) = 0", *COMMIT],
    "bytes whose sync failed": [
        MADE,
        "fsync(4</d/b>) = 0",
        "write(3</d/b/x>, , 1) = 1",
        "fsync(3</d/b/x>) = -1",
        *COMMIT,
    ],
    "name": [MADE, "fsync(3</d/b/x>) = 0", *COMMIT],
    "folder": ['mkdir("/d/b", 0777) = 0', "fsync(4</d/b>) = 0", *COMMIT],
    "commit": [COMMIT[0], REPLY, COMMIT[1]],
}
IN_TIME = [
    'mkdir("/d", 0777) = -1 EEXIST (File exists)', MADE, "write(3</d/b/x>, , 1) = 1", "fsync(3</d/b/x>) = 0",
    "fsync(4</d/b>) = 0", *COMMIT, REPLY, MADE, 'unlink("/d/b/x") = 0', *COMMIT, REPLY,
]  # fmt: skip


@pytest.mark.parametrize("lines", TOO_LATE.values(), ids=TOO_LATE)
def test_what_comes_too_late_is_seen(lines: list[str]) -> None:
    """Once each, and nothing else."""
    assert len(list(too_late(lines, "/d/log", "/report"))) == 1
    assert not list(too_late(IN_TIME, "/d/log", "/report"))
