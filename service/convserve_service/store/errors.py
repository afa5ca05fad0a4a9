"""The errors of the store and of what it holds; no HTTP in here.

StoreError
├── ModelNotFound          no such model
├── VersionNotFound        no such version or alias
├── VersionGone            its row is there, its state was collected or damaged
├── ModelExists            created before from another specification
├── VersionConflict        If-Match names another version than the newest; `current` is that
├── KeyReused              an idempotency key that came with another request
├── KeyInFlight            the first request with this key is still running
├── StoreBusy              too many writers wait already
└── StoreUnavailable       the disk or the catalog refused
"""


class StoreError(Exception):
    """The message says what was got, what was expected and what to do."""


class ModelNotFound(StoreError): ...


class VersionNotFound(StoreError): ...


class VersionGone(StoreError): ...


class ModelExists(StoreError): ...


class VersionConflict(StoreError):
    def __init__(self, message: str, current: int) -> None:
        super().__init__(message)
        self.current = current


class KeyReused(StoreError): ...


class KeyInFlight(StoreError): ...


class StoreBusy(StoreError): ...


class StoreUnavailable(StoreError): ...
