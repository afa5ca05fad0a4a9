"""One request through the application, by gunicorn's own parser and writer of HTTP; all of it is in memory."""

import io
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import structlog
from gunicorn.http.body import ChunkedReader
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import create

from convserve_service.front.connection import Connection
from convserve_service.front.errors import Ambiguous

Application = Callable[..., Iterable[bytes]]
log = structlog.get_logger("convserve")


def plain(config: Any) -> Any:
    """gunicorn's settings as attributes: its own object computes each anew, in half the time that a head takes."""
    networks = config.forwarded_allow_networks()
    values = {name: setting.get() for name, setting in config.settings.items()}
    return SimpleNamespace(**values, is_ssl=False, forwarded_allow_networks=lambda: networks)


def parse(config: Any, connection: Connection) -> Any:
    """The request that is there, with its body, decoded, as a file. What is wrong, gunicorn's exceptions say."""
    chunked = connection.inbox.arrival.chunk > 0
    head, body = connection.inbox.take()
    request = Request(config, IterUnreader([head + body if chunked else head]), connection.client)
    reader = request.body.reader
    if isinstance(reader, ChunkedReader) != chunked or not (chunked or reader.length == len(body)):
        raise Ambiguous("it cannot be said where the request's body ends; send one Content-Length")
    request.body = io.BytesIO(request.body.read() if chunked else body)
    request._expected_100_continue = False  # it waits no more: its body is here
    return request


def call(application: Application, config: Any, request: Any, connection: Connection, *, last: bool) -> bool:
    """Write the application's reply; whether another request may follow, which it may not where this is the `last`."""
    response, environ = create(request, connection.outbox, connection.client, connection.server, config)
    environ["wsgi.multithread"] = True
    if last:
        response.force_close()
    parts = application(environ, response.start_response)
    try:
        for part in parts:
            response.write(part)
        response.close()
    except Exception as error:
        if not response.headers_sent:
            raise
        if not isinstance(error, OSError):
            log.error("a reply broke off", path=request.path, exc_info=error)
        raise EOFError from error
    finally:
        if hasattr(parts, "close"):
            parts.close()
    return not response.should_close()
