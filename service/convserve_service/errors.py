"""Errors become replies here and nowhere else: one table, always JSON, nothing of the inside.

RequestError             a mistake in the request that no other package knows
├── Unauthenticated      no API key, or not one of ours
├── Forbidden            a key that is not good for this verb
├── RateLimited          more requests than the key may send; `seconds` until it may again
├── UnsupportedMedia     a Content-Type that the verb does not take
├── ImageError           not a picture, or one too large
├── PreconditionError    a header that is not what it must be
├── ModelUnloaded        the model is there but not loaded
├── LimitError           more than this server takes
├── Busy                 others have what this request needs
└── DeadlineExceeded     the work took longer than a request may
"""

import math

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from convserve_model import ModelError, NonFiniteError
from convserve_model.errors import told
from convserve_service.logs import log
from convserve_service.noted import noted
from convserve_service.store import errors as store
from convserve_wire import errors as wire
from convserve_wire.replies import Error


class RequestError(Exception):
    """What was got, what was expected, what to do; `where` names the field to blame."""

    def __init__(self, message: str, where: str | None = None) -> None:
        super().__init__(message)
        self.where = where


class Unauthenticated(RequestError): ...


class Forbidden(RequestError): ...


class RateLimited(RequestError):
    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class UnsupportedMedia(RequestError): ...


class ImageError(RequestError): ...


class PreconditionError(RequestError): ...


class ModelUnloaded(RequestError): ...


class LimitError(RequestError): ...


class Busy(RequestError): ...


class DeadlineExceeded(RequestError): ...


STATUS: dict[type[Exception], tuple[int, str]] = {  # the first class that fits
    store.ModelNotFound: (404, "model_not_found"),
    store.VersionNotFound: (404, "version_not_found"),
    store.VersionGone: (410, "version_collected"),
    store.VersionLost: (410, "version_damaged"),
    store.DatasetNotFound: (404, "dataset_not_found"),
    store.DatasetLost: (410, "dataset_damaged"),
    store.JobNotFound: (404, "job_not_found"),
    store.ModelExists: (409, "model_exists"),
    store.DatasetExists: (409, "dataset_exists"),
    store.DatasetInUse: (409, "dataset_in_use"),
    store.VersionConflict: (412, "version_conflict"),
    store.KeyReused: (422, "key_reused"),
    store.KeyInFlight: (409, "key_in_flight"),
    store.StoreFull: (413, "too_large"),
    store.StoreBusy: (503, "busy"),
    store.StoreUnavailable: (503, "store_unavailable"),
    wire.TooLarge: (413, "too_large"),
    wire.UnsupportedEncoding: (415, "unsupported_encoding"),
    wire.NonFiniteOutput: (422, "non_finite_output"),
    wire.TensorError: (400, "invalid_tensor"),
    wire.WireError: (400, "invalid_request"),
    NonFiniteError: (422, "non_finite_step"),
    ModelError: (400, "does_not_fit"),
    Unauthenticated: (401, "unauthenticated"),
    Forbidden: (403, "forbidden"),
    RateLimited: (429, "rate_limited"),
    UnsupportedMedia: (415, "unsupported_media_type"),
    ImageError: (400, "invalid_image"),
    ModelUnloaded: (400, "model_unloaded"),
    LimitError: (413, "too_large"),
    Busy: (503, "busy"),
    DeadlineExceeded: (503, "deadline_exceeded"),
    RequestError: (400, "invalid_request"),
}
HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}
HTTP_MESSAGES = {
    404: "there is nothing at this address; GET /v2 names the server and what it extends, the README lists every verb",
    413: "the body is larger than this server takes; send fewer rows in one request",
}
RETRY_AFTER = {429, 503}
RETRY_SECONDS = 1


def register(app: Flask) -> None:
    """Answer every exception of a request as JSON."""
    app.register_error_handler(Exception, answer)


def answer(error: Exception) -> Response:
    """`{"error": ..., "code": ..., "where": ...}` with its status in the table; other errors say only their id."""
    if isinstance(error, HTTPException):
        return _of_http(error)
    for kind, (status, code) in STATUS.items():
        if isinstance(error, kind):
            response = _reply(status, str(error), code, getattr(error, "where", None))
            if isinstance(error, store.VersionConflict):
                response.headers["Convserve-Model-Version"] = str(error.current)
            if status in RETRY_AFTER or isinstance(error, store.KeyInFlight):
                response.headers["Retry-After"] = str(math.ceil(getattr(error, "seconds", RETRY_SECONDS)))
            if status == 401:
                response.headers["WWW-Authenticate"] = "Bearer"
            if status >= 500:
                log.warning("unavailable", request_id=noted().request_id, error=str(error))
            return response
    log.error("internal error", request_id=noted().request_id, exc_info=error)
    return _reply(500, f"the server failed; tell its operator the request id {noted().request_id}", "internal", None)


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    message = HTTP_MESSAGES.get(status, error.description or error.name)
    allow = ", ".join(sorted(error.valid_methods or ())) if isinstance(error, MethodNotAllowed) else ""
    if allow:
        message = f"this address takes {allow}, not {told(request.method)}"
    response = _reply(status, message, HTTP_CODES.get(status, "http_error"), None)
    if allow:
        response.headers["Allow"] = allow
    return response


def _reply(status: int, message: str, code: str, where: str | None) -> Response:
    body = Error(error=_text(message), code=code)
    if where is not None:
        body["where"] = _text(where)
    return Response(orjson.dumps(body), status, mimetype="application/json")


def _text(text: str) -> str:
    """What UTF-8 can carry: names that clients send may hold half a surrogate pair."""
    return text.encode("utf-8", "replace").decode()
