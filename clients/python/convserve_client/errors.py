"""The client's errors.

ConvserveError
├── ConnectionFailed         no connection, or one that broke, also after every retry
├── RequestTimeout           connected, but no reply in time, also after every retry
├── ReplyError               a reply, or a file, that is not what the protocol says
├── JobFailed                a job ended without its result; `job` is its last status, `error` the service's sentence
└── RequestError             the server refused; `status`, `code`, `message`, `where`, `request_id`
    ├── Unauthenticated      401; no API key, or not one of this service's
    ├── Forbidden            403; the key is not good for this
    ├── NotFound             404
    ├── Conflict             409
    ├── PreconditionFailed   412; `current_version` is the newest
    ├── Invalid              any other 4xx
    └── ServerError          5xx
"""

from convserve_client.results import JobStatus


class ConvserveError(Exception):
    """What was got, what was expected, what to do."""


class ConnectionFailed(ConvserveError): ...


class RequestTimeout(ConvserveError): ...


class ReplyError(ConvserveError): ...


class JobFailed(ConvserveError):
    def __init__(self, job: JobStatus) -> None:
        super().__init__(f"job {job.job} {job.state} at step {job.step} of {job.steps}: {job.error or 'no version'}")
        self.job = job
        self.error = job.error


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
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.where = where
        self.request_id = request_id
        self.current_version = current_version
        self.retry_after = retry_after


class Unauthenticated(RequestError): ...


class Forbidden(RequestError): ...


class NotFound(RequestError): ...


class Conflict(RequestError): ...


class PreconditionFailed(RequestError): ...


class Invalid(RequestError): ...


class ServerError(RequestError): ...


STATUS: dict[int, type[RequestError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
}


def of_status(status: int) -> type[RequestError]:
    """The class for an HTTP status."""
    return STATUS.get(status, ServerError if status >= 500 else Invalid)
