"""One version of one model, whole, and how it comes from its blob."""

from functools import lru_cache
from typing import NamedTuple

from convserve_model import SafetensorsError, Snapshot, safetensors
from convserve_service.cache import Cache
from convserve_service.specification import Specification, from_text
from convserve_service.store.errors import BlobLost
from convserve_service.store.records import ModelRow, VersionRow
from convserve_service.store.store import Store

CACHE_BYTES = 64 << 20


class Live(NamedTuple):
    """What a request works on from start to end."""

    row: ModelRow
    version: VersionRow
    specification: Specification
    snapshot: Snapshot


class Loader:
    """Versions from the page cache that all workers share; the ones used last stay."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._specification = lru_cache(maxsize=256)(from_text)
        self._cache: Cache[Live] = Cache(CACHE_BYTES)

    def load(self, row: ModelRow, version: VersionRow) -> Live:
        """The version with its state; BlobLost where that is damaged or gone."""
        known = self.known(row.name, version.version)
        if known is not None:
            return Live(row, version, known.specification, known.snapshot)
        specification = self._specification(row.spec)
        live = Live(row, version, specification, self._snapshot(specification, version))
        self.keep(live)
        return live

    def known(self, name: str, version: int) -> Live | None:
        """A version from memory alone."""
        return self._cache.get((name, version))

    def keep(self, live: Live) -> None:
        """Remember a version."""
        self._cache.put((live.row.name, live.version.version), live, live.snapshot.nbytes)

    def _snapshot(self, specification: Specification, version: VersionRow) -> Snapshot:
        data = self._store.data(version.blob, version.digest, version.created)
        try:
            tensors, metadata = safetensors.deserialize(data)
            return Snapshot.from_tensors(specification.network, specification.training, tensors, metadata)
        except (SafetensorsError, KeyError, ValueError) as error:
            raise BlobLost(f"blob {version.blob} is not what was written") from error
