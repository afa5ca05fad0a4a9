"""One request through the application: gunicorn's own parser reads it, once all of it is in memory."""

import io
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple

from gunicorn.http.body import ChunkedReader
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import create

from convserve_service.front.connection import Connection
from convserve_service.front.errors import Ambiguous
from convserve_service.front.heads import KEPT_BYTES, Head
from convserve_service.front.reply import Reply
from convserve_service.logs import log

Application = Callable[..., Iterable[bytes]]


class Call(NamedTuple):
    """A request as gunicorn knows it, and as WSGI does, with its body."""

    request: Any
    environ: dict[str, Any]

    @property
    def kind(self) -> str:
        """What it asks for, as far as may be said before it is known."""
        return f"{self.request.method} {self.request.path.rpartition('/')[2]}"


def plain(config: Any) -> Any:
    """gunicorn's settings as attributes: its own object computes each anew, in half the time that a head takes."""
    networks = config.forwarded_allow_networks()
    values = {name: setting.get() for name, setting in config.settings.items()}
    return SimpleNamespace(**values, is_ssl=False, forwarded_allow_networks=lambda: networks)


def parse(config: Any, connection: Connection) -> Call:
    """The request that is there, with its body, decoded, as a file. What is wrong, gunicorn's exceptions say."""
    arrival = connection.inbox.arrival
    head, body = connection.inbox.take()
    known = connection.head
    if arrival.chunk or known is None or not known.repeated(head, arrival.digits):
        request, body = _parsed(config, connection, head, body, chunked=arrival.chunk > 0)
        start, stop = arrival.digits
        known = Head(head[:start], head[stop:], request, _environ(config, connection, request))
        connection.head = known if len(head) <= KEPT_BYTES and not arrival.chunk else None
    environ = {**known.environ, "wsgi.input": io.BytesIO(body), "gunicorn.socket": connection.outbox}
    if "CONTENT_LENGTH" in environ:
        environ["CONTENT_LENGTH"] = head[slice(*arrival.digits)].decode()
    return Call(known.request, environ)


def call(application: Application, asked: Call, connection: Connection, *, last: bool) -> bool:
    """Write the application's reply; whether another request may follow, which it may not where this is the `last`."""
    reply = Reply(asked.request, connection.outbox, last=last)
    parts = application(asked.environ, reply.start)
    try:
        for part in parts:
            reply.write(part)
        reply.end()
    except Exception as error:
        if not reply.begun:
            raise
        if not isinstance(error, OSError):
            log.error("a reply broke off", path=asked.request.path, exc_info=error)
        raise EOFError from error
    finally:
        if hasattr(parts, "close"):
            parts.close()
    return not reply.last


def _parsed(config: Any, connection: Connection, head: bytes, body: bytes, *, chunked: bool) -> tuple[Any, bytes]:
    """gunicorn's request, and the body that it has."""
    request = Request(config, IterUnreader([head + body if chunked else head]), connection.client)
    reader = request.body.reader
    if isinstance(reader, ChunkedReader) != chunked or not (chunked or reader.length == len(body)):
        raise Ambiguous("it cannot be said where the request's body ends; send one Content-Length")
    request._expected_100_continue = False  # it waits no more: its body is here
    if chunked:
        body = request.body.read()
    request.body = None
    return request, body


def _environ(config: Any, connection: Connection, request: Any) -> dict[str, Any]:
    """WSGI's, for every request of the connection that has this head."""
    _, environ = create(request, None, connection.client, connection.server, config)
    del environ["wsgi.early_hints"]  # they would be those of one reply
    return {**environ, "wsgi.multithread": True}
