"""Which errors an operation may answer with: rules over its declaration, and the codes of the one table of errors."""

from collections.abc import Callable
from http import HTTPStatus

from convserve_service.errors import HTTP_CODES, STATUS
from convserve_service.operations import Operation

RULES: tuple[tuple[Callable[[Operation], bool], tuple[int, ...]], ...] = (
    (lambda o: True, (500,)),
    (lambda o: o.scope is not None, (401, 403, 429, 503)),
    (lambda o: bool(o.query or o.headers), (400,)),
    (lambda o: "{" in o.path, (400, 404)),
    (lambda o: "{model}" in o.path or "{dataset}" in o.path, (410,)),
    (lambda o: bool(o.body), (400, 413, 415, 422)),
    (lambda o: "Idempotency-Key" in o.headers, (409, 413, 415, 422)),
    (lambda o: "If-Match" in o.headers, (412,)),
)
STATUSES = sorted({status for _, statuses in RULES for status in statuses})


def faults(operation: Operation) -> list[int]:
    """The statuses of its errors, in order; not those that are among its answers."""
    found = {status for applies, statuses in RULES if applies(operation) for status in statuses}
    return sorted(found - set(operation.statuses))


def explain(status: int) -> str:
    """The status in words, with the codes that come with it."""
    codes = {code for number, code in STATUS.values() if number == status} | {HTTP_CODES.get(status, "")} - {""}
    listed = ", ".join(f"`{code}`" for code in sorted(codes))
    return HTTPStatus(status).phrase + (f": {listed}" if listed else "")
