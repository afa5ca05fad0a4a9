"""Who may do what. Asked before the body is read and before anything is said about what is there.

Every worker reads the keys again when what it knows is half a second old, so that a new key works, and a revoked one
stops, within that time. While the catalog cannot be read, the keys known last count: predictions go on.
"""

import time
from collections.abc import Callable, Mapping

from convserve_service import keys
from convserve_service.errors import Forbidden, Unauthenticated
from convserve_service.logs import log
from convserve_service.operations import Operation, Scope
from convserve_service.store.catalog import Catalog
from convserve_service.store.errors import StoreUnavailable
from convserve_service.store.records import ApiKey

STALE_SECONDS = 0.5


class Gate:
    """The API keys of a catalog. Where there are none, the service is open to everybody or to nobody."""

    def __init__(
        self, catalog: Catalog, *, open_without_keys: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._catalog = catalog
        self._open = open_without_keys
        self._clock = clock
        self._known = self._read()

    def admit(self, operation: Operation | None, authorization: str | None) -> ApiKey | None:
        """The key in the header, None where none is needed; `operation` None is an address where there is nothing."""
        if operation is not None and operation.scope is None:
            return None
        known = self._keys()
        if not known and self._open:
            return None
        key = _found(known, authorization)
        if operation is not None and not {operation.scope, Scope.ADMIN} & set(key.scopes):
            raise Forbidden(
                f"{operation.name} needs a key with the scope {operation.scope}, but '{key.name}' has"
                f" {', '.join(key.scopes)}; ask the operator for another"
            )
        return key

    def _keys(self) -> Mapping[str, ApiKey]:
        known, until = self._known
        if self._clock() < until:
            return known
        try:
            self._known = self._read()
        except StoreUnavailable as error:
            log.warning("the API keys cannot be read again", error=str(error))
            self._known = known, self._clock() + STALE_SECONDS
        return self._known[0]

    def _read(self) -> tuple[Mapping[str, ApiKey], float]:
        until = self._clock() + STALE_SECONDS  # from before they are read: what is read later is newer
        return {row.id: row for row in self._catalog.api_keys()}, until


def _found(known: Mapping[str, ApiKey], authorization: str | None) -> ApiKey:
    """The key that `Bearer <key>` is (RFC 6750; the scheme in any case), or Unauthenticated."""
    scheme, _, key = (authorization or "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise Unauthenticated(
            "this service needs an API key: send the header 'Authorization: Bearer <key>';"
            " its operator makes one with `convserve keys create`"
        )
    number = keys.id_of(key)
    row = None if number is None else known.get(number)
    if row is None or not keys.same(key, row):
        raise Unauthenticated("this API key is not known, or was revoked; ask the operator for another")
    return row
