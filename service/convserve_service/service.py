"""The parts that endpoints work with, built once for each worker and passed in."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import g

from convserve_model import Engine, Network
from convserve_service.datasets import Datasets
from convserve_service.errors import DeadlineExceeded, LimitError
from convserve_service.jobs import Jobs
from convserve_service.live import Live
from convserve_service.models import Change, Models
from convserve_service.operands import loaded
from convserve_service.reader import Reader
from convserve_service.room import Room
from convserve_service.settings import Settings
from convserve_service.store.records import Key, Reply
from convserve_service.store.store import Store
from convserve_service.streams import Streams
from convserve_wire.names import check_name


@dataclass(frozen=True)
class Service:
    store: Store
    reader: Reader
    models: Models
    datasets: Datasets
    jobs: Jobs
    engine: Engine
    streams: Streams
    room: Room
    settings: Settings
    draining: Callable[[], bool]

    def read(self, model: str, version: str | None = None) -> Live:
        """The version that a request works on; the reply tells where a newer one was lost."""
        return _told(self.reader.read(check_name(model), version))

    def live(self, model: str, version: str | None) -> Live:
        """The same; but a model that is unloaded answers no one."""
        live = self.read(model, version)
        loaded(live)
        return live

    def write(
        self, model: str, change: Callable[[Live], Change], *, key: Key | None = None, if_match: int | None = None
    ) -> Reply:
        """`change` makes of the newest version the next one."""
        return self.models.write(check_name(model), lambda live: change(_told(live)), key=key, if_match=if_match)

    def allow(
        self, network: Network, rows: int, *, reply: int = 0, more: int = 0, backward: bool = False, train: bool = False
    ) -> Callable[[], None]:
        """Memory for a run over rows at once, for its reply and for `more` bytes, until that is sent; see `Room`.

        Gives `deadline`.
        """
        if reply > self.settings.max_reply:
            raise LimitError(
                f"the reply would have about {reply >> 20:,} MiB, but this server sends"
                f" {self.settings.max_reply >> 20:,}; ask for fewer rows or outputs, or for binary_data"
            )
        size = self.engine.footprint(network, rows, backward=backward, train=train)
        self.take(size + 2 * reply + more, f"{rows} rows of this network at once")
        return self.deadline()

    def take(self, size: int, what: str) -> None:
        """Memory for what a request is about to do, until its reply is sent."""
        if taken := self.room.take(size, what):
            g.taken += taken

    def deadline(self) -> Callable[[], None]:
        """What raises DeadlineExceeded when the request has taken too long; to be called again and again."""
        end = g.began + self.settings.request_seconds

        def check() -> None:
            if time.monotonic() > end:
                raise DeadlineExceeded(
                    f"the work took longer than {self.settings.request_seconds:g} s and nothing was changed;"
                    " send fewer rows or epochs in one request"
                )

        return check


def _told(live: Live) -> Live:
    """Note for the reply that the newest version of this model was lost."""
    if live.row.degraded is not None:
        g.degraded = live.row.degraded
    return live
