"""The process of jobs, beside the workers and at lower priority; it also sweeps what a crash left."""

import os
import signal
import time

from convserve_service import memory
from convserve_service.counting.tallies import Tallies
from convserve_service.logs import log
from convserve_service.opening import opened
from convserve_service.settings import Settings
from convserve_service.store.errors import StoreUnavailable
from convserve_service.store.store import Store
from convserve_service.supervisor import rename

NAME = "convserve-jobs"
NICE = 10
POLL_SECONDS = 0.1


def run(settings: Settings, found: set[str], tallies: Tallies) -> None:
    """Train what is queued until SIGTERM, which stops a job at its next commit.

    `found` are the blobs that were there before anybody wrote: those that nothing needs are removed.
    """
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    rename(NAME)
    os.nice(NICE)
    log.configure(settings.log_format)
    tallies.join(0)
    store = opened(settings)
    store.sweep(found)
    while not stopped and not _wanted(store):  # nothing is loaded before there is work
        time.sleep(POLL_SECONDS)
    if stopped:
        return
    from convserve_model import Engine
    from convserve_service.counting import rows
    from convserve_service.datasets import Datasets
    from convserve_service.models import Models
    from convserve_service.reader import Reader
    from convserve_service.runner import Runner
    from convserve_service.turns import Turns

    def trained(model: str, images: int) -> None:
        tallies.add(((rows.MODEL, model, "fit"), {rows.IMAGES: images}))

    memory.keep_freed()
    turns = Turns(store, writers=1)
    models = Models(store, Reader(store), turns, keep=settings.keep)
    Runner(store, models, Datasets(store, turns), Engine(settings.threads), lambda: bool(stopped), trained).run()


def _wanted(store: Store) -> bool:
    try:
        return store.catalog.next_job() is not None
    except StoreUnavailable:
        return False
