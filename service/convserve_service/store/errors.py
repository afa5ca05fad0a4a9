"""The errors of the store and of what it holds; no HTTP in here.

StoreError
├── ModelNotFound          no such model
├── VersionNotFound        no such version or alias
├── VersionGone            its row is there, its state was collected
├── VersionLost            its row is there, its state was damaged
├── DatasetNotFound        no such dataset
├── DatasetLost            its row is there, its bytes were damaged
├── JobNotFound            no such job
├── ModelExists            created before from another specification
├── DatasetExists          stored before with other bytes
├── DatasetInUse           a job still needs it
├── VersionConflict        If-Match names another version than the newest; `current` is that
├── ApiKeyExists           the name of an API key that is there
├── ApiKeyNotFound         no such API key
├── KeyReused              an idempotency key that came with another request
├── KeyInFlight            the first request with this key is still running
├── BlobLost               a file is gone, cannot be read or is not what was written
├── StoreFull              as many models, datasets or bytes as a store takes
├── StoreBusy              too many writers or jobs wait already
└── StoreUnavailable       the disk or the catalog refused
    └── CommitUnknown      COMMIT itself failed: after a crash it may turn out to have happened
"""


class StoreError(Exception):
    """The message says what was got, what was expected and what to do."""


class ModelNotFound(StoreError): ...


class VersionNotFound(StoreError): ...


class VersionGone(StoreError): ...


class VersionLost(StoreError): ...


class DatasetNotFound(StoreError): ...


class DatasetLost(StoreError): ...


class JobNotFound(StoreError): ...


class ModelExists(StoreError): ...


class DatasetExists(StoreError): ...


class DatasetInUse(StoreError): ...


class VersionConflict(StoreError):
    def __init__(self, message: str, current: int) -> None:
        super().__init__(message)
        self.current = current


class ApiKeyExists(StoreError): ...


class ApiKeyNotFound(StoreError): ...


class KeyReused(StoreError): ...


class KeyInFlight(StoreError): ...


class BlobLost(StoreError): ...


class StoreFull(StoreError): ...


class StoreBusy(StoreError): ...


class StoreUnavailable(StoreError): ...


class CommitUnknown(StoreUnavailable): ...
