"""`convserve serve`: own the data directory, then run what listens and what trains as processes of its own."""

import mmap
import sys
from functools import partial

from convserve_service import blas, supervisor
from convserve_service.settings import Settings
from convserve_service.store.blobs import make_folder
from convserve_service.store.errors import StoreUnavailable
from convserve_service.store.locks import claim
from convserve_service.store.store import Store

OLD_SERVER_SECONDS = 10.0


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. The data directory belongs to this server and its children alone."""
    blas.one_thread()
    settings = settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
    _own(settings)
    drain = mmap.mmap(-1, 1)  # shared with all children: not 0 while the server is about to stop
    sys.exit(
        supervisor.run(
            server=partial(_listen, settings, drain),
            helper=partial(_train, settings),
            drain=partial(drain.__setitem__, 0, 1),
            drain_seconds=settings.drain_seconds,
        )
    )


def _own(settings: Settings) -> None:
    """Hold DATA_DIR/lock, which children inherit; then sweep what a crash left."""
    try:
        make_folder(settings.data_dir)
        claim(settings.data_dir / "lock", OLD_SERVER_SECONDS)
        Store.open(settings.data_dir).sweep()
    except (OSError, StoreUnavailable) as error:
        sys.exit(f"convserve cannot use the data directory {settings.data_dir}: {error}")


def _listen(settings: Settings, drain: mmap.mmap) -> None:
    from convserve_service import listener

    listener.run(settings, draining=lambda: drain[0] != 0)


def _train(settings: Settings) -> None:
    from convserve_service import trainer

    trainer.run(settings)
