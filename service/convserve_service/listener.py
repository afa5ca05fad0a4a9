"""gunicorn: one process that listens, and workers that answer."""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.app.base import BaseApplication

from convserve_service import memory
from convserve_service.app import create_app
from convserve_service.counting.tallies import Tallies
from convserve_service.front.connection import Terms
from convserve_service.front.worker import ParkingWorker
from convserve_service.logs import log
from convserve_service.release import VERSION
from convserve_service.settings import Settings
from convserve_service.sharing import Counts, Share
from convserve_service.store.errors import StoreUnavailable
from convserve_service.supervisor import die_with

AGAIN_SECONDS = 1.0
IDLE_SECONDS = 75.0
CONNECTIONS = 1024  # of a worker
OTHER_FILES = 512
STOPPING = {signal.SIGTERM, signal.SIGQUIT}


def run(settings: Settings, *, draining: Callable[[], bool], tallies: Tallies) -> None:
    """Listen until SIGTERM; requests in flight finish."""
    log.configure(settings.log_format)
    hold_signals_while_forking()
    allow_files(CONNECTIONS + OTHER_FILES)

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            for name, value in options(settings, tallies).items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return _application(settings, draining, tallies)

    Application().run()


def _application(settings: Settings, draining: Callable[[], bool], tallies: Tallies) -> Any:
    """The application; a worker that cannot have it tries again, for one that does not start would end the others."""
    while True:
        try:
            return create_app(settings, draining=draining, tallies=tallies)
        except (OSError, StoreUnavailable) as error:
            log.warning("a worker waits", error=str(error))
            if signal.sigpending() & STOPPING:
                sys.exit()
            time.sleep(AGAIN_SECONDS)


def options(settings: Settings, tallies: Tallies) -> dict[str, Any]:
    """gunicorn's options; every one that differs from its default has its reason here."""
    return {
        "bind": f"{settings.host}:{settings.port}",
        "workers": settings.workers,
        "worker_class": ParkingWorker,
        "threads": settings.request_threads,
        "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,  # the root may be read-only
        "control_socket_disable": True,  # nobody needs it, and it listens
        "graceful_timeout": 30,
        "timeout": 120,  # a heartbeat: a request has its own deadline
        "loglevel": "warning",
        "preload_app": False,  # engines are made after the fork
        "proc_name": "convserve",
        "pre_fork": partial(_expect, Counts(), terms(settings)),
        "child_exit": partial(_bury, tallies),
        "post_fork": partial(_born, os.getpid(), tallies),
        "post_worker_init": partial(_begin, settings),
    }


def terms(settings: Settings) -> Terms:
    """What a client may do."""
    return Terms(
        body=settings.max_body,
        seconds=settings.client_seconds,
        rate=settings.client_rate,
        idle=IDLE_SECONDS,
        connections=CONNECTIONS,
        held=settings.max_body * (settings.request_threads // 2),
    )


def allow_files(least: int) -> None:
    """Let this process and its children have so many files open, where the system does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < least:
        most = least if hard == resource.RLIM_INFINITY else min(least, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def hold_signals_while_forking() -> None:
    """A worker told to stop before it has handlers of its own would run gunicorn's master's, and never stop."""
    hold = partial(signal.pthread_sigmask, signal.SIG_BLOCK, STOPPING)
    os.register_at_fork(before=hold, after_in_parent=release_signals)


def release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def _expect(counts: Counts, terms: Terms, server: Any, worker: Any) -> None:
    worker.share, worker.terms = Share(counts, counts.join()), terms


def _bury(tallies: Tallies, server: Any, worker: Any) -> None:
    tallies.bury(1 + worker.share.slot)
    worker.share.leave()


def _born(arbiter: int, tallies: Tallies, server: Any, worker: Any) -> None:
    die_with(arbiter)
    tallies.join(1 + worker.share.slot)


def _begin(settings: Settings, worker: Any) -> None:
    """In a worker that is ready: hear signals; the first one says where the service is."""
    release_signals()
    memory.keep_freed()
    if worker.age != 1:
        return
    host, port = worker.sockets[0].sock.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(  # noqa: T201
        f"convserve {VERSION} is ready at http://{shown}:{port} (data in {settings.data_dir})", flush=True
    )
