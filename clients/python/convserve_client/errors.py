"""The client's errors.

ConvserveError
├── ConnectionFailed         no connection, or one that broke, also after every retry
├── RequestTimeout           connected, but no reply in time, also after every retry
├── ReplyError               a reply, or a file, that is not what the protocol says
└── RequestError             the server refused; `status`, `code`, `message`, `where`, `request_id`
    ├── NotFound             404
    ├── Conflict             409
    ├── PreconditionFailed   412; `current_version` is the newest
    ├── Invalid              any other 4xx
    └── ServerError          5xx
"""


class ConvserveError(Exception):
    """What was got, what was expected, what to do."""


class ConnectionFailed(ConvserveError): ...


class RequestTimeout(ConvserveError): ...


class ReplyError(ConvserveError): ...


class RequestError(ConvserveError):
    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        where: str | None = None,
        request_id: str | None = None,
        current_version: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.where = where
        self.request_id = request_id
        self.current_version = current_version


class NotFound(RequestError): ...


class Conflict(RequestError): ...


class PreconditionFailed(RequestError): ...


class Invalid(RequestError): ...


class ServerError(RequestError): ...


STATUS: dict[int, type[RequestError]] = {404: NotFound, 409: Conflict, 412: PreconditionFailed}


def of_status(status: int) -> type[RequestError]:
    """The class for an HTTP status."""
    return STATUS.get(status, ServerError if status >= 500 else Invalid)
