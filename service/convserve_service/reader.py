"""Readers of models: each works on one immutable version, and waits for no writer."""

from convserve_service.live import Live, Loader
from convserve_service.logs import log
from convserve_service.store.catalog import NUMBERS
from convserve_service.store.errors import (
    BlobLost,
    ModelNotFound,
    StoreUnavailable,
    VersionGone,
    VersionLost,
    VersionNotFound,
)
from convserve_service.store.records import COLLECTED, DAMAGED, ModelRow, VersionRow
from convserve_service.store.store import Store
from convserve_wire.numbers import whole


class Reader:
    """All models of a store. Where it does not `heal`, damage is told but not noted in the store."""

    def __init__(self, store: Store, *, heal: bool = True) -> None:
        self._store = store
        self._heal = heal
        self._loader = Loader(store)

    def read(self, name: str, version: str | None = None) -> Live:
        """The newest version, or that of a number or an alias."""
        below, doubted, lost = NUMBERS, None, None
        while True:
            try:
                row, found = self.rows(name, version, below)
            except StoreUnavailable:
                wanted = _number(version)
                known = self._loader.known(name, wanted) if isinstance(wanted, int) else None
                if known is None:
                    raise
                return known
            try:
                return self._loader.load(row if lost is None else row._replace(degraded=lost), found)
            except BlobLost:
                if found.version != doubted:  # it may have been collected, or read again it may be there
                    doubted = found.version
                elif not (self._heal and self._lose(found)):  # nothing can be committed now; who reads goes on without
                    if version is not None:
                        raise _no_state(found._replace(state=DAMAGED)) from None
                    below, lost = found.version, max(row.degraded or 0, lost or found.version)

    def all(self) -> list[tuple[ModelRow, int | None]]:
        """Every model, by name, with the number of its newest version that has its state."""
        return self._store.catalog.heads()

    def numbers(self, name: str, most: int) -> list[int]:
        """The versions up to a number that have their states, in order."""
        return self._store.catalog.numbers(name, most)

    def versions(self, name: str, limit: int = NUMBERS, before: int | None = None) -> list[VersionRow]:
        """The history, newest first."""
        self.find(name)
        return self._store.catalog.versions(name, limit, before)

    def find(self, name: str) -> ModelRow:
        """The model, or ModelNotFound."""
        row = self._store.catalog.model(name)
        if row is None:
            raise no_model(name)
        return row

    def rows(self, name: str, version: str | None, below: int = NUMBERS) -> tuple[ModelRow, VersionRow]:
        """The rows of a version that has its state, as the catalog says; the newest is looked for `below` a number."""
        row, found = self._store.catalog.read(name, _number(version), below=below)
        if row is None:
            raise no_model(name)
        if found is None:
            raise no_version(name, version)
        if not found.available:
            raise _no_state(found)
        return row, found

    def _lose(self, version: VersionRow) -> bool:
        """Mark a version whose blob is damaged or gone, unless it was collected meanwhile; put the blob aside.

        False where that would have to wait for somebody, or the disk refuses.
        """
        try:
            with self._store.catalog.transaction(wait=False) as transaction:
                marked = transaction.mark_damaged(version.model, version.version)
        except (BlockingIOError, StoreUnavailable):
            return False
        if marked:
            self._store.blobs.quarantine(version.blob)
            log.error("version lost", model=version.model, version=version.version, blob=version.blob)
        return True

    def keep(self, live: Live) -> None:
        """Remember a version that was just made: the next request will ask for it."""
        self._loader.keep(live)


def _number(version: str | None) -> int | str | None:
    """A version's number, or its alias as it is."""
    number = None if version is None else whole(version)
    return version if number is None else number


def no_model(name: str) -> ModelNotFound:
    return ModelNotFound(f"there is no model '{name}'; create it with PUT /v2/models/{name}")


def no_version(name: str, version: str | None) -> Exception:
    see = f"see GET /v2/models/{name}/versions"
    if version is None:
        return VersionLost(f"the states of all versions of model '{name}' are lost; {see}")
    return VersionNotFound(f"model '{name}' has no version or alias '{version[:80]}'; {see}")


def _no_state(version: VersionRow) -> Exception:
    kind, how = (VersionGone, "was collected") if version.state == COLLECTED else (VersionLost, "was damaged")
    return kind(
        f"version {version.version} of model '{version.model}' is in the history, but its state {how};"
        f" GET /v2/models/{version.model}/versions tells which are available"
    )
