"""The parts that endpoints work with, built once for each worker and passed in."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Request

from convserve_model import Engine, Network
from convserve_service import operands, sizes
from convserve_service.body import Body, read
from convserve_service.counting.tallies import Tallies
from convserve_service.datasets import Datasets
from convserve_service.errors import DeadlineExceeded, LimitError
from convserve_service.jobs import Jobs
from convserve_service.live import Live
from convserve_service.models import Change, Models
from convserve_service.noted import noted
from convserve_service.reader import Reader
from convserve_service.room import Room
from convserve_service.settings import Settings
from convserve_service.store.records import Key, Reply
from convserve_service.store.store import Store
from convserve_service.streams import Streams
from convserve_wire.names import check_name
from convserve_wire.tensors import Array

LARGE = 1 << 18  # bytes of a body whose memory is counted


@dataclass(frozen=True)
class Service:
    """What is shared by all requests of a worker."""

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
    tallies: Tallies

    def read(self, model: str, version: str | None = None) -> Live:
        """The version that a request works on; the reply tells where a newer one was lost."""
        return _noted(self.reader.read(check_name(model), version))

    def live(self, model: str, version: str | None) -> Live:
        """The same; but a model that is unloaded answers no one."""
        live = self.read(model, version)
        operands.loaded(live)
        return live

    def write(
        self, model: str, change: Callable[[Live], Change], *, key: Key | None = None, if_match: int | None = None
    ) -> Reply:
        """`change` makes of the newest version the next one."""
        return self.models.write(check_name(model), lambda live: change(_noted(live)), key=key, if_match=if_match)

    def rows(self, live: Live, x: Array, *, passes: int = 1) -> Any:
        """x as the network's input, counted as images that go through it so often."""
        taken = operands.rows(live, x, self.settings.max_rows)
        self.count(len(taken), passes=passes)
        return taken

    def count(self, images: int, *, passes: int = 1) -> None:
        """Note how many images this request has, and how often they go through the network."""
        this = noted()
        this.batch, this.images = images, images * passes

    def infer(
        self, live: Live, x: Any, outputs: Sequence[str] = ("logits",), *, check: Callable[[], None]
    ) -> dict[str, Array]:
        """The outputs of a version, and for its statistics when they were computed."""
        begun = time.monotonic_ns()
        found = self.engine.infer(live.specification.network, live.snapshot, x, outputs, check=check)
        this = noted()
        this.begun, this.done = begun, time.monotonic_ns()
        return found

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

    def body(self, request: Request) -> Body:
        """The body of a request, decompressed; memory for what becomes of it is taken before it is looked into."""
        found = read(request, self.settings.max_body)
        if len(found.data) > LARGE:
            self.take(sizes.body(len(found.data), found.json_length), "the body")
        return found

    def take(self, size: int, what: str) -> None:
        """Memory for what a request is about to do, until its reply is sent."""
        if taken := self.room.take(size, what):
            noted().taken += taken

    def deadline(self) -> Callable[[], None]:
        """What raises DeadlineExceeded when the request has taken too long; to be called again and again."""
        end = noted().started / 1e9 + self.settings.request_seconds

        def check() -> None:
            if time.monotonic() > end:
                raise DeadlineExceeded(
                    f"the work took longer than {self.settings.request_seconds:g} s and nothing was changed;"
                    " send fewer rows, epochs or steps in one request"
                )

        return check


def _noted(live: Live) -> Live:
    """Note for the reply and for who counts which version it is, and whether a newer one was lost."""
    this = noted()
    this.model, this.version, this.degraded = live.row.name, live.version.version, live.row.degraded
    return live
