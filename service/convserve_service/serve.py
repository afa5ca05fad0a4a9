"""Start gunicorn: one process that listens, and workers that answer."""

import os
import signal
import sys
from functools import partial
from typing import Any

from convserve_service.release import VERSION
from convserve_service.settings import Settings
from convserve_service.store.errors import StoreUnavailable
from convserve_service.store.locks import claim

ONE_BLAS_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
OLD_SERVER_SECONDS = 10.0
STOPPING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. The data directory belongs to this server and its children alone."""
    for name in ONE_BLAS_THREAD:  # before NumPy loads: threads are the executor's business
        os.environ[name] = "1"
    settings = settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
    _own(settings)
    hold_signals_while_forking()
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            for name, value in options(settings).items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            from convserve_service.app import create_app

            return create_app(settings)

    Application().run()


def options(settings: Settings) -> dict[str, Any]:
    """gunicorn's options; every one that differs from its default has its reason here."""
    return {
        "bind": f"{settings.host}:{settings.port}",
        "workers": settings.workers,
        "worker_class": "gthread",
        "threads": settings.request_threads,
        "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,  # the root may be read-only
        "control_socket_disable": True,  # nobody needs it, and it listens
        "graceful_timeout": 30,
        "timeout": 120,  # a heartbeat: a request has its own deadline
        "keepalive": 75,
        "loglevel": "warning",
        "preload_app": False,  # engines are made after the fork
        "proc_name": "convserve",
        "post_worker_init": partial(_begin, settings),
    }


def _own(settings: Settings) -> None:
    """Hold DATA_DIR/lock, which children inherit; then sweep what a crash left."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        claim(settings.data_dir / "lock", OLD_SERVER_SECONDS)
        from convserve_service.app import build_models

        build_models(settings).sweep()
    except (OSError, StoreUnavailable) as error:
        sys.exit(f"convserve cannot use the data directory {settings.data_dir}: {error}")


def hold_signals_while_forking() -> None:
    """A worker told to stop before it has handlers of its own would run gunicorn's master's, and never stop."""
    hold = partial(signal.pthread_sigmask, signal.SIG_BLOCK, STOPPING)
    os.register_at_fork(before=hold, after_in_parent=release_signals)


def release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def _begin(settings: Settings, worker: Any) -> None:
    """In a worker that is ready: hear signals; the first one says where the service is."""
    release_signals()
    if worker.age != 1:
        return
    host, port = worker.sockets[0].sock.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(  # noqa: T201
        f"convserve {VERSION} is ready at http://{shown}:{port} (data in {settings.data_dir})", flush=True
    )
