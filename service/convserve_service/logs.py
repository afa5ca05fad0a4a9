"""Logs: one line for each event, on standard error, as key=value or JSON; quiet where all is well.

structlog is imported with the first event. Where all is well there is none, and a start is shorter by a tenth.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import orjson

Form = Literal["logfmt", "json"]
FIRST = ["timestamp", "level", "event", "request_id"]


class Log:
    """The events of this process, from a `level` on."""

    def __init__(self) -> None:
        self.configure()

    def configure(self, form: Form = "logfmt", level: int = logging.INFO) -> None:
        """Before the first event; later events follow the last call."""
        self._form, self._level, self._file = form, level, sys.stderr
        self._logger: Any = None

    def info(self, event: str, **members: Any) -> None:
        self._made().info(event, **members)

    def warning(self, event: str, **members: Any) -> None:
        self._made().warning(event, **members)

    def error(self, event: str, **members: Any) -> None:
        self._made().error(event, **members)

    def _made(self) -> Any:
        if self._logger is None:
            import structlog
            from structlog import processors

            self._logger = structlog.wrap_logger(
                structlog.PrintLogger(self._file),
                [
                    processors.add_log_level,
                    processors.TimeStamper(fmt="iso", utc=True),
                    processors.format_exc_info,
                    processors.LogfmtRenderer(key_order=FIRST) if self._form == "logfmt" else _json,
                ],
                structlog.make_filtering_bound_logger(self._level),
            )
        return self._logger


def _json(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    """The same members in the same order."""
    ordered: Mapping[str, Any] = {name: event[name] for name in FIRST if name in event} | dict(event)
    return orjson.dumps(ordered, default=str).decode()


log = Log()
