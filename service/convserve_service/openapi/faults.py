"""Which errors an operation may answer with: rules over its declaration, and the codes of the tables of errors."""

from collections.abc import Callable
from http import HTTPStatus

from convserve_service.errors import HTTP_CODES, STATUS
from convserve_service.front import refusals
from convserve_service.operations import Operation

REFUSED = [(int(status[:3]), code) for status, code in refusals.STATUS.values()]  # before anybody looks at the path
RULES: tuple[tuple[Callable[[Operation], bool], tuple[int, ...]], ...] = (
    (lambda o: True, tuple(status for status, _ in REFUSED)),
    (lambda o: o.scope is not None, (401, 403, 429)),
    (lambda o: "{" in o.path, (404,)),
    (lambda o: "{model}" in o.path or "{dataset}" in o.path, (410,)),
    (lambda o: bool(o.body), (415, 422)),
    (lambda o: "Idempotency-Key" in o.headers, (409, 415, 422)),
    (lambda o: "If-Match" in o.headers, (412,)),
)
STATUSES = sorted({status for _, statuses in RULES for status in statuses})


def faults(operation: Operation) -> list[int]:
    """The statuses of its errors, in order; not those that are among its answers."""
    found = {status for applies, statuses in RULES if applies(operation) for status in statuses}
    return sorted(found - set(operation.statuses))


def explain(status: int) -> str:
    """The status in words, with the codes that come with it."""
    codes = {code for number, code in (*STATUS.values(), *REFUSED, *HTTP_CODES.items()) if number == status}
    listed = ", ".join(f"`{code}`" for code in sorted(codes))
    return HTTPStatus(status).phrase + (f": {listed}" if listed else "")
