"""What a client gets whose request does not reach the application: JSON as any other error, and a closed connection."""

import uuid
from email.utils import formatdate

import orjson
from gunicorn.http import errors as parser

from convserve_service.front import errors
from convserve_service.logs import log

STATUS: dict[type[Exception], tuple[str, str]] = {  # the first class that fits
    errors.TooSlow: ("408 Request Timeout", "request_timeout"),
    errors.HeadTooLarge: ("431 Request Header Fields Too Large", "head_too_large"),
    errors.BodyTooLarge: ("413 Content Too Large", "too_large"),
    errors.ChunksTooSmall: ("400 Bad Request", "invalid_http"),
    errors.UnknownCoding: ("501 Not Implemented", "unsupported_transfer_coding"),
    errors.Ambiguous: ("400 Bad Request", "invalid_http"),
    errors.NoRoom: ("503 Service Unavailable", "busy"),
    errors.Stopping: ("503 Service Unavailable", "stopping"),
    parser.LimitRequestLine: ("414 URI Too Long", "uri_too_long"),
    parser.LimitRequestHeaders: ("431 Request Header Fields Too Large", "head_too_large"),
    parser.ExpectationFailed: ("417 Expectation Failed", "expectation_failed"),
    parser.UnsupportedTransferCoding: ("501 Not Implemented", "unsupported_transfer_coding"),
    parser.ParseException: ("400 Bad Request", "invalid_http"),
    parser.NoMoreData: ("400 Bad Request", "invalid_http"),
}
INTERNAL = ("500 Internal Server Error", "internal")
SHOWN = 200  # characters of what was got


def reply(error: Exception, client: str) -> bytes:
    """A whole reply that says so, and that the connection closes; a line in the log says who got it."""
    status, code = next((row for kind, row in STATUS.items() if isinstance(error, kind)), INTERNAL)
    request_id = uuid.uuid4().hex
    if code == "internal":
        log.error("internal error", request_id=request_id, client=client, exc_info=error)
        said = f"the server failed; tell its operator the request id {request_id}"
    else:
        log.warning("refused", request_id=request_id, client=client, status=status[:3], error=str(error)[:SHOWN])
        said = str(error) if isinstance(error, errors.Refused) else f"this is not good HTTP/1.1: {str(error)[:SHOWN]}"
    body = orjson.dumps({"error": said, "code": code})
    lines = [
        f"HTTP/1.1 {status}",
        f"Date: {formatdate(usegmt=True)}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"X-Request-Id: {request_id}",
        *(["Retry-After: 1"] if status.startswith("503") else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
