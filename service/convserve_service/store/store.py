"""One data directory: the catalog, the blobs, and the time that commits are stamped with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from convserve_service.store.blobs import Blob, Blobs, make_folder
from convserve_service.store.catalog import Catalog
from convserve_service.store.errors import CommitUnknown, KeyReused, StoreUnavailable
from convserve_service.store.records import Key, Reply
from convserve_service.store.transaction import Transaction


def utc() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Store:
    """What all who read and write a data directory share. `opened` is when this process came to it."""

    folder: Path
    catalog: Catalog
    blobs: Blobs
    clock: Callable[[], datetime]
    reply_hours: float
    opened: str
    _checked: set[str] = field(default_factory=set, init=False)

    @classmethod
    def open(
        cls, folder: Path, *, reply_hours: float = 24.0, clock: Callable[[], datetime] = utc,
        most_bytes: int | None = None, most_catalog: int | None = None,
    ) -> "Store":  # fmt: skip
        """The store in a folder, made where there is none; at most so many bytes of blobs and of catalog."""
        if (folder / "catalog.sqlite").exists() and not (folder / "blobs").exists():
            raise StoreUnavailable(f"there is a catalog in {folder}, but no folder blobs; is it mounted?")
        make_folder(folder)
        make_folder(folder / "locks")
        blobs = Blobs(folder / "blobs", most=most_bytes)
        catalog = Catalog(folder / "catalog.sqlite", most=most_catalog)
        return cls(folder, catalog, blobs, clock, reply_hours, stamp(clock()))

    def data(self, blob: str, digest: str, created: str) -> memoryview:
        """The bytes of a blob; BlobLost where it is damaged. One from before this process came is checked once."""
        if created < self.opened and blob not in self._checked:
            self.blobs.check(blob, digest)
            self._checked.add(blob)
        return memoryview(self.blobs.map(blob))

    def now(self) -> str:
        return stamp(self.clock())

    def replay(self, key: Key) -> Reply | None:
        """The stored reply of an applied request; KeyReused where the key came with another request."""
        stored = self.catalog.reply(key.owner, key.value)
        if stored is None:
            return None
        if stored[0] != key.fingerprint:
            raise KeyReused("this Idempotency-Key came with another request before; make a new key for a new request")
        return stored[1]

    def record(self, transaction: Transaction, key: Key | None, reply: Reply) -> Reply:
        """Note the reply beside what it acknowledges, for who repeats the request."""
        if key is not None:
            now = self.clock()
            transaction.add_reply(key, reply, stamp(now), stamp(now - timedelta(hours=self.reply_hours)))
        return reply

    @contextmanager
    def publishing(self, blob: Blob) -> Iterator[Transaction]:
        """The transaction whose row publishes a blob; where it does not commit, the blob goes."""
        try:
            with self.catalog.transaction() as transaction:
                yield transaction
        except CommitUnknown:
            raise  # should the row come back after a crash, it needs the blob; else the next start sweeps it
        except BaseException:
            self.blobs.remove_all([blob.name])
            raise

    def unwritable(self) -> str | None:
        """Why nothing could be committed now, None where it could; StoreUnavailable where nothing could be read."""
        return self.blobs.probe() or self.catalog.refusal()

    def found(self) -> set[str]:
        """The blobs that are there before anybody writes; StoreUnavailable where the catalog means others."""
        there, some = self.blobs.names(), self.catalog.blobs(limit=100)
        if some and some.isdisjoint(there):
            raise StoreUnavailable(f"the files that the catalog names are not in {self.blobs.folder}; is it mounted?")
        return there

    def sweep(self, found: set[str]) -> int:
        """Remove those of the blobs found at the start that nothing needs: left by crashes."""
        left = found - self.catalog.blobs()
        self.blobs.remove_all(left)
        return len(left)


def stamp(moment: datetime) -> str:
    """UTC to milliseconds, as in every reply; the text sorts by time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
