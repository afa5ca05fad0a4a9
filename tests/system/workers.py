"""The worker processes of a running service, each of them alone for a while."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.processes import children, command_name, descendants
from tests.servers import Server
from tests.service.calls import call

JOBS = "convserve-jobs"


def workers(server: Server, count: int) -> list[int]:
    """The ids of the processes that answer, once all of them and the one of the jobs are there."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        leaves = _leaves(server.process.pid)
        found = [leaf for leaf in leaves if command_name(leaf) != JOBS]
        if len(found) == count == len(leaves) - 1:
            return found
        time.sleep(0.05)
    raise AssertionError(f"there are not {count} workers")


def each(server: Server, count: int) -> Iterator[int]:
    """Every worker in turn, while the others are stopped: it answers whatever is asked."""
    for worker in (found := workers(server, count)):
        others = [other for other in found if other != worker]
        while True:
            with stopped(others):
                if _free(server.data_dir / "catalog.lock"):  # else one was stopped while it starts, and holds it
                    call("GET", f"{server.url}/v2/health/live").raise_for_status()
                    yield worker
                    break
            time.sleep(0.05)


@contextmanager
def stopped(processes: list[int]) -> Iterator[None]:
    """Processes that do nothing until the block ends."""
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def kill(server: Server) -> None:
    """kill -9 of the whole group."""
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()


def restart(server: Server, count: int = 1) -> None:
    """kill -9 of all workers; what is asked next, their successors answer."""
    before = workers(server, count)
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    end = time.monotonic() + 10
    while set(workers(server, count)) & set(before):
        assert time.monotonic() < end
        time.sleep(0.05)


def _free(lock: Path) -> bool:
    with open(lock, "rb") as file, suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _leaves(process: int) -> list[int]:
    """Its descendants that have no children."""
    return [pid for pid in descendants(process) if not children(pid)]
