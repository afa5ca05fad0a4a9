"""The parts that endpoints work with, built once for each worker and passed in."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from convserve_model import Engine
from convserve_service.errors import DeadlineExceeded
from convserve_service.models import Live, Models
from convserve_service.operands import loaded
from convserve_service.settings import Settings
from convserve_wire.names import check_name


@dataclass(frozen=True)
class Service:
    models: Models
    engine: Engine
    settings: Settings

    def live(self, model: str, version: str | None) -> Live:
        """The version that a request works on; a model that is unloaded answers no one."""
        live = self.models.read(check_name(model), version)
        loaded(live)
        return live

    def deadline(self) -> Callable[[], None]:
        """A check for between two steps: DeadlineExceeded when the request has taken too long."""
        end = time.monotonic() + self.settings.request_seconds

        def check() -> None:
            if time.monotonic() > end:
                raise DeadlineExceeded(
                    f"the work took longer than {self.settings.request_seconds:g} s and nothing was changed;"
                    " send fewer rows or epochs in one request"
                )

        return check
