"""The system call matrix: kill or fail every call by which the store touches the disk, once each, and see what is left.

`python -m tests.crash.matrix` tries every point; `--only fsync:3:KILL` repeats one and keeps its folder.
"""

import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from tests.crash.survivors import Expected, survivors, undisturbed
from tests.crash.trace import FAULTS, Point, Traced, Untraceable, require_strace, run_apart, traced
from tests.crash.writes import run

KILLED = -9
TRIES = 3
RANDOM = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Attempt:
    """A fault at a point of the undisturbed run, and the call that is there."""

    point: Point
    fault: str
    line: str

    def __str__(self) -> str:
        return f"{self.point.call}:{self.point.when}:{self.fault}"


@dataclass(frozen=True)
class Matrix:
    """The undisturbed run, its trace, and all that can be done to it."""

    folder: Path
    trace: Traced
    expected: Expected

    @classmethod
    def of(cls, folder: Path) -> "Matrix":
        undisturbed_folder = folder / "undisturbed"
        undisturbed_folder.mkdir()
        data, report = undisturbed_folder / "data", undisturbed_folder / "report"
        trace = traced(undisturbed_folder / "trace", run, data, report)
        if trace.status != 0:
            raise RuntimeError(f"undisturbed it ended with {trace.status}")
        return cls(folder, trace, run_apart(undisturbed, data, report))

    @property
    def data(self) -> Path:
        """The data directory of the undisturbed run."""
        return self.folder / "undisturbed" / "data"

    @property
    def report(self) -> Path:
        """Its replies."""
        return self.folder / "undisturbed" / "report"

    def attempts(self) -> list[Attempt]:
        """Each fault at each call that touches the data directory."""
        touching = [(point, line) for point, line in self.trace.calls() if str(self.data) in line]
        return [Attempt(point, fault, line) for fault in FAULTS for point, line in touching]

    def wrong(self, attempt: Attempt, *, keep: bool = False) -> list[str]:
        """What broke; empty where everything promised held. A fault that met another call is tried again."""
        for number in range(TRIES):
            folder = self.folder / f"{attempt}:{number}".replace(":", "-")
            folder.mkdir()
            data, report = folder / "data", folder / "report"
            try:
                done = traced(folder / "trace", run, data, report, point=attempt.point, fault=attempt.fault)
                missed = _missed(attempt, self, done, data)
                wrong = run_apart(survivors, data, report, self.expected)
            finally:
                if not keep:
                    shutil.rmtree(folder)
            if wrong or not missed:
                break
        return [*missed, *wrong]


def _missed(attempt: Attempt, whole: Matrix, done: Traced, data: Path) -> list[str]:
    """Whether the fault met another call than it was meant for, or the process ended otherwise than it had to."""
    meant = _shape(attempt.line, whole.data)
    met = [_shape(line, data) for point, line in done.calls() if point == attempt.point]
    if met != [meant]:
        return [f"the fault met {met}, not {meant}"]
    if done.status != (wanted := KILLED if attempt.fault == "KILL" else 0):
        return [f"the process ended with {done.status}, not {wanted}"]
    return []


def _shape(line: str, data: Path) -> str:
    """A call without what differs from run to run: the folder, names of blobs, descriptors, the result."""
    line = RANDOM.sub("*", line.replace(str(data), "DATA"))
    return re.sub(r"\d+<", "<", re.split(r"\) += ", line)[0])


@contextmanager
def matrix() -> Iterator[Matrix]:
    """In memory where that can be: kills and failures do not depend on the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="matrix-", dir=memory if memory.is_dir() else None) as folder:
        yield Matrix.of(Path(folder))


def table(tried: Iterable[Attempt], failed: Iterable[Attempt]) -> Iterator[str]:
    """Call by call and fault by fault: points that were tried, and survived."""
    points = Counter((one.point.call, one.fault) for one in tried)
    lost = Counter((one.point.call, one.fault) for one in failed)
    yield f"{'call':<12} {'fault':<8} {'points':>6} {'survived':>8}"
    for (call, fault), number in sorted(points.items()):
        yield f"{call:<12} {fault:<8} {number:>6} {number - lost[call, fault]:>8}"
    yield f"{'all':<12} {'':<8} {points.total():>6} {points.total() - lost.total():>8}"


@click.command()
@click.option("--only", metavar="CALL:N:FAULT", help="Try this one point and keep its folder.")
@click.option("--every", type=int, default=1, show_default=True, help="Try each n-th point only.")
def main(only: str | None, every: int) -> None:
    """Kill or fail every call that touches the data directory."""
    started = time.monotonic()
    try:
        require_strace()
    except Untraceable as error:
        raise click.ClickException(str(error)) from error
    with matrix() as whole:
        attempts = [one for one in whole.attempts() if only in (None, str(one))][::every]
        failed = []
        for attempt in attempts:
            if wrong := whole.wrong(attempt, keep=only is not None):
                failed.append(attempt)
                click.echo(f"{attempt} {attempt.line}")
                for line in wrong:
                    click.echo(f"    {line}")
        if only is not None:
            click.echo(shutil.copytree(whole.folder, tempfile.mkdtemp(prefix="matrix-"), dirs_exist_ok=True))
        for line in table(attempts, failed):
            click.echo(line)
        click.echo(f"{time.monotonic() - started:.0f} s")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
