"""The client's errors.

ConvserveError
├── ConnectionFailed         no reply, also after every retry
├── ReplyError               a reply that is not the protocol's
└── RequestError             the server refused; `status`, `code`, `where`, `request_id`
    ├── NotFound             404
    ├── Conflict             409
    ├── PreconditionFailed   412; `current_version` is the newest
    ├── Invalid              any other 4xx
    └── ServerError          5xx
"""


class ConvserveError(Exception):
    """What was got, what was expected, what to do."""


class ConnectionFailed(ConvserveError): ...


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
