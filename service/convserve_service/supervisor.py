"""Two child processes: the server, whose end is the end, and a helper beside it, which is begun anew when it dies.

The supervisor has no threads and imports little, so that it may fork at any time. Its children die with it.
"""

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
WATCHED = {*STOP, signal.SIGCHLD}
GRACE_SECONDS = 35.0  # the server allows requests in flight 30
TOLD = 128 + signal.SIGTERM  # ended by the signal, before it could listen to it
AGAIN_SECONDS = 0.5  # between two lives of the helper
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15


def run(
    *, server: Callable[[], None], helper: Callable[[], None], drain: Callable[[], None], drain_seconds: float
) -> int:
    """Exit status: the server's, where it ends by itself; 0 where SIGTERM or SIGINT ended it well.

    The children hear of a signal after `drain_seconds`, and have GRACE_SECONDS to end.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    children = Children(server=fork(server), helper_main=helper)
    children.helper = fork(helper)
    while True:
        got = signal.sigtimedwait(WATCHED, children.patience())
        if got is not None and got.si_signo in STOP:
            drain()
            children.tell_helper()
            signal.sigtimedwait(STOP, drain_seconds)  # a second signal cuts it short
            return children.stop()
        status = children.reap()
        if status is not None:
            children.stop()
            return status


@dataclass
class Children:
    """Their process numbers; 0 for one that is gone."""

    server: int
    helper_main: Callable[[], None]
    helper: int = 0
    again: float = field(default=0.0)

    def patience(self) -> float:
        """Seconds until there is something to do without a signal."""
        return 3600.0 if self.helper else max(0.0, self.again - time.monotonic())

    def reap(self) -> int | None:
        """Take leave of who died; the server's exit status where it did; begin the helper anew when it is time."""
        status = self._bury()
        if status is not None:
            return status
        if not self.helper and time.monotonic() >= self.again:
            try:
                self.helper = fork(self.helper_main)
            except OSError:  # no memory or no process to be had now
                self.again = time.monotonic() + AGAIN_SECONDS
        return None

    def tell_helper(self) -> None:
        _send(self.helper, signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM, patience, then SIGKILL; 0 when the server ended well."""
        _send(self.server, signal.SIGTERM)
        _send(self.helper, signal.SIGTERM)
        end, status = time.monotonic() + GRACE_SECONDS, 0
        while (self.server or self.helper) and time.monotonic() < end:
            signal.sigtimedwait({signal.SIGCHLD}, max(0.01, min(0.2, end - time.monotonic())))
            ended = self._bury()
            status = status if ended in (None, TOLD) else ended
        _send(self.server, signal.SIGKILL)
        _send(self.helper, signal.SIGKILL)
        return status

    def _bury(self) -> int | None:
        """Take leave of who died; the server's exit status where it did."""
        status = None
        while ended := _ended():
            if ended[0] == self.server:
                self.server, status = 0, ended[1]
            elif ended[0] == self.helper:
                self.helper, self.again = 0, time.monotonic() + AGAIN_SECONDS
        return status


def fork(main: Callable[[], None]) -> int:
    """A child that runs `main` and dies with this process; SIGINT stays blocked, for a terminal sends it to all."""
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        die_with(parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED - {signal.SIGINT})
        main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def die_with(parent: int) -> None:
    """Be killed when the parent process dies, whatever kills it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def rename(name: str) -> None:
    """What `ps` and `top` call this process, at most 15 bytes."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode())


def _ended() -> tuple[int, int] | None:
    """(process, exit status) of a child that ended; 128 and the signal's number where one ended it, as shells say."""
    try:
        process, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    code = os.waitstatus_to_exitcode(status)
    return (process, 128 - code if code < 0 else code) if process else None


def _send(process: int, number: int) -> None:
    if process:
        os.kill(process, number)
