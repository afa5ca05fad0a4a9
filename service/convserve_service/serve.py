"""`convserve serve`: own the data directory, then run what listens and what trains as processes of its own."""

import mmap
import sys
from functools import partial

from convserve_service import blas, memory, supervisor
from convserve_service.counting.tallies import PARTS, Tallies
from convserve_service.settings import Settings
from convserve_service.store.blobs import make_folder
from convserve_service.store.errors import StoreUnavailable
from convserve_service.store.locks import claim
from convserve_service.store.store import Store

OLD_SERVER_SECONDS = 10.0
OPEN = (
    "convserve will not listen on {host} without API keys, for anybody could use it. Make one first:\n"
    "  convserve keys create NAME --scope admin --data-dir {data_dir}\n"
    "or listen on 127.0.0.1, or say --insecure (CONVSERVE_INSECURE=1) where something in front asks who it is"
)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. The data directory belongs to this server and its children alone."""
    blas.one_thread()
    settings = settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
    found = _own(settings)
    tallies = Tallies(PARTS)
    drain = mmap.mmap(-1, 1)  # shared with all children: not 0 while the server is about to stop
    sys.exit(
        supervisor.run(
            server=partial(_listen, settings, drain, tallies),
            helper=partial(_train, settings, found, tallies),
            drain=partial(drain.__setitem__, 0, 1),
            drain_seconds=settings.drain_seconds,
        )
    )


def _own(settings: Settings) -> set[str]:
    """Hold DATA_DIR/lock, which children inherit; the blobs that are there, for the sweep of what a crash left."""
    try:
        make_folder(settings.data_dir)
        claim(settings.data_dir / "lock", OLD_SERVER_SECONDS)
        store = Store.open(settings.data_dir)
        if not (settings.loopback or settings.insecure or store.catalog.api_keys()):
            sys.exit(OPEN.format(host=settings.host, data_dir=settings.data_dir))
        return store.found()
    except (OSError, StoreUnavailable) as error:
        sys.exit(f"convserve cannot use the data directory {settings.data_dir}: {error}")


def _listen(settings: Settings, drain: mmap.mmap, tallies: Tallies) -> None:
    with memory.keep_made():
        from convserve_service import listener

    listener.run(settings, draining=lambda: drain[0] != 0, tallies=tallies)


def _train(settings: Settings, found: set[str], tallies: Tallies) -> None:
    from convserve_service import trainer

    trainer.run(settings, found, tallies)
