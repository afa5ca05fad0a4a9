"""Logs: one line for each event, on standard error, as key=value or JSON; quiet where all is well."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import orjson
import structlog

FIRST = ["timestamp", "level", "event", "request_id"]


def configure(form: Literal["logfmt", "json"] = "logfmt") -> None:
    """Once for each process, before the first event."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=FIRST) if form == "logfmt" else _json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _json(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    """The same members in the same order."""
    ordered: Mapping[str, Any] = {name: event[name] for name in FIRST if name in event} | dict(event)
    return orjson.dumps(ordered, default=str).decode()
