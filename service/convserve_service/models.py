"""The live models: one immutable version for each reader, one compare-and-set commit for each writer."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from convserve_model import Snapshot, safetensors
from convserve_service.cache import Cache
from convserve_service.specification import Specification, from_text
from convserve_service.store.blobs import Blobs
from convserve_service.store.catalog import Catalog, Transaction
from convserve_service.store.errors import (
    KeyInFlight,
    KeyReused,
    ModelExists,
    ModelNotFound,
    StoreBusy,
    VersionConflict,
    VersionGone,
    VersionNotFound,
)
from convserve_service.store.locks import holder, locked, note
from convserve_service.store.records import Key, ModelRow, Reply, VersionRow

CACHE_BYTES = 256 << 20
INFERENCE = {"format": "pt"}


@dataclass(frozen=True)
class Live:
    """One version of one model, whole: what a request works on from start to end."""

    row: ModelRow
    version: VersionRow
    specification: Specification
    snapshot: Snapshot


@dataclass(frozen=True)
class Change:
    """What a writer makes of a version; `reply` is called with the row that it becomes, before it is committed."""

    snapshot: Snapshot
    verb: str
    reply: Callable[[VersionRow], Reply]
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    loss: float | None = None


class Models:
    """All models of a data directory. `clock` gives a commit's time; at most `writers` hold or wait for locks."""

    def __init__(self, folder: Path, *, clock: Callable[[], datetime], writers: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._locks = folder / "locks"
        self._locks.mkdir(exist_ok=True)
        self._blobs = Blobs(folder / "blobs")
        self._catalog = Catalog(folder / "catalog.sqlite")
        self._clock = clock
        self._slots = threading.BoundedSemaphore(writers)
        self._specification = lru_cache(maxsize=256)(from_text)
        self._cache = Cache(CACHE_BYTES)

    def read(self, name: str, version: str | None = None) -> Live:
        """The newest version, or that of a number or an alias."""
        wanted = int(version) if version is not None and version.isdigit() and len(version) < 19 else version
        row, found = self._catalog.read(name, wanted)
        if row is None:
            raise ModelNotFound(f"there is no model '{name}'; create it with PUT /v2/models/{name}")
        if found is None:
            raise VersionNotFound(
                f"model '{name}' has no version or alias '{version}'; see GET /v2/models/{name}/versions"
            )
        if not found.available:
            raise VersionGone(
                f"version {found.version} of model '{name}' is in the history, but its state was collected"
            )
        return self._live(row, found)

    def all(self) -> list[ModelRow]:
        """Every model, by name."""
        return self._catalog.models()

    def versions(self, name: str, limit: int, before: int | None = None) -> list[VersionRow]:
        """The history, newest first."""
        self._require(name)
        return self._catalog.versions(name, limit, before)

    def replay(self, key: Key) -> Reply | None:
        """The stored reply of an applied request; KeyReused where the key came with another request."""
        stored = self._catalog.reply(key.owner, key.value)
        if stored is None:
            return None
        if stored[0] != key.fingerprint:
            raise KeyReused("this Idempotency-Key came with another request before; make a new key for a new request")
        return stored[1]

    def create(
        self, name: str, specification: Specification, *, key: Key | None, reply: Callable[[VersionRow, bool], Reply]
    ) -> Reply:
        """Version 1 of a new model; the same specification again changes nothing. `reply` is told whether it is new."""
        with self._writer(name, key) as replayed:
            if replayed is not None:
                return replayed
            row, version = self._catalog.read(name, None)
            if row is not None:
                if version is None or row.spec != specification.text:
                    raise ModelExists(
                        f"model '{name}' was created from another specification; delete it or take another name"
                    )
                return reply(version, False)
            model = ModelRow(name, specification.text, self._now(), True)
            snapshot = Snapshot.initial(specification.network, specification.training, seed=specification.seed)
            change = Change(snapshot, "create", lambda row: reply(row, True))
            return self._commit(name, change, None, key, before=lambda t: t.add_model(model))

    def write(
        self, name: str, change: Callable[[Live], Change], *, key: Key | None = None, if_match: int | None = None
    ) -> Reply:
        """One transaction: `change` makes of the newest version the next one, which is committed with its reply."""
        self._require(name)
        with self._writer(name, key) as replayed:
            if replayed is not None:
                return replayed
            live = self.read(name)
            _compare(name, live.version.version, if_match)
            return self._commit(name, change(live), live.version.version, key)

    def delete(self, name: str, *, key: Key | None, if_match: int | None, reply: Reply) -> Reply:
        """Remove a model and all its versions; who reads one keeps it."""
        blobs: list[str] = []

        def apply(transaction: Transaction) -> None:
            blobs.extend(transaction.delete_model(name))

        answer = self._alter(name, apply, key, if_match, lambda head: reply)
        for blob in blobs:
            self._blobs.remove(blob)
        return answer

    def set_alias(
        self, name: str, alias: str, version: str, *, key: Key | None, if_match: int | None,
        reply: Callable[[int], Reply],
    ) -> Reply:  # fmt: skip
        """Let `alias` mean a version (a number or another alias)."""
        number = 0

        def apply(transaction: Transaction) -> None:
            nonlocal number
            number = self.read(name, version).version.version
            transaction.set_alias(name, alias, number)

        return self._alter(name, apply, key, if_match, lambda head: reply(number))

    def delete_alias(self, name: str, alias: str, *, key: Key | None, if_match: int | None, reply: Reply) -> Reply:
        def apply(transaction: Transaction) -> None:
            if not transaction.delete_alias(name, alias):
                raise VersionNotFound(f"model '{name}' has no alias '{alias}'")

        return self._alter(name, apply, key, if_match, lambda head: reply)

    def set_loaded(self, name: str, loaded: bool) -> None:
        """Whether the model answers; its versions stay."""
        with self._catalog.transaction() as transaction:
            if transaction.head(name) is None:
                raise ModelNotFound(f"there is no model '{name}'; create it with PUT /v2/models/{name}")
            transaction.set_loaded(name, loaded)

    def unwritable(self) -> str | None:
        """Why the store cannot be written, None where it can."""
        return None if os.access(self._folder, os.W_OK) else "the data directory cannot be written"

    def sweep(self) -> int:
        """Remove blobs that no version needs: left by crashes. Only while nobody writes (at the start)."""
        orphans = self._blobs.names() - self._catalog.blobs()
        for name in orphans:
            self._blobs.remove(name)
        return len(orphans)

    def _live(self, row: ModelRow, version: VersionRow) -> Live:
        specification = self._specification(row.spec)
        at = (row.name, version.version)
        snapshot = self._cache.get(at)
        if snapshot is None:
            try:
                tensors, metadata = safetensors.deserialize(memoryview(self._blobs.map(version.blob)))
            except FileNotFoundError as error:
                raise VersionGone(f"the state of version {version.version} of model '{row.name}' is gone") from error
            snapshot = Snapshot.from_tensors(specification.network, specification.training, tensors, metadata)
            self._cache.put(at, snapshot)
        return Live(row, version, specification, snapshot)

    @contextmanager
    def _writer(self, name: str, key: Key | None) -> Iterator[Reply | None]:
        """Hold the model's lock; yields the stored reply where the key was applied in the meantime."""
        path = self._locks / f"{name}.lock"
        mark = b"" if key is None else hashlib.sha256(f"{key.owner}\0{key.value}".encode()).digest()
        if mark and (holder(path) or b"").startswith(mark):
            raise KeyInFlight("the first request with this Idempotency-Key is still running; repeat in a second")
        if not self._slots.acquire(blocking=False):
            raise StoreBusy("too many writers wait already; nothing was changed, repeat in a second")
        try:
            with locked(path) as descriptor:
                note(descriptor, mark)
                yield None if key is None else self.replay(key)
        finally:
            self._slots.release()

    def _commit(
        self,
        name: str,
        change: Change,
        parent: int | None,
        key: Key | None,
        before: Callable[[Transaction], None] = lambda transaction: None,
    ) -> Reply:
        """Blob first, then the row that publishes it: version, idempotency record and reply in one transaction."""
        blob = self._blobs.write(safetensors.serialize(*change.snapshot.to_tensors()))
        weights = weights_file(change.snapshot)
        row = VersionRow(
            model=name, version=0, parent=parent, verb=change.verb, hyperparameters=dict(change.hyperparameters),
            step=change.snapshot.step, loss=change.loss, digest=blob.digest, weights_digest=digest(weights),
            blob=blob.name, created=self._now(),
        )  # fmt: skip
        try:
            with self._catalog.transaction() as transaction:
                if transaction.head(name) != parent:
                    raise VersionConflict(
                        f"another writer was first on model '{name}'; repeat", transaction.head(name) or 0
                    )
                row = replace(row, version=transaction.last_number(name) + 1)
                before(transaction)
                transaction.add_version(row)
                reply = change.reply(row)
                if key is not None:
                    transaction.add_reply(key, reply, row.created)
        except VersionConflict:
            self._blobs.remove(blob.name)
            raise
        self._cache.put((name, row.version), change.snapshot)
        return reply

    def _alter(
        self,
        name: str,
        apply: Callable[[Transaction], None],
        key: Key | None,
        if_match: int | None,
        reply: Callable[[int], Reply],
    ) -> Reply:
        """A write that makes no version."""
        self._require(name)
        with self._writer(name, key) as replayed:
            if replayed is not None:
                return replayed
            with self._catalog.transaction() as transaction:
                head = transaction.head(name)
                if head is None:
                    raise ModelNotFound(f"there is no model '{name}'; create it with PUT /v2/models/{name}")
                _compare(name, head, if_match)
                apply(transaction)
                answer = reply(head)
                if key is not None:
                    transaction.add_reply(key, answer, self._now())
            return answer

    def _require(self, name: str) -> None:
        if self._catalog.model(name) is None:
            raise ModelNotFound(f"there is no model '{name}'; create it with PUT /v2/models/{name}")

    def _now(self) -> str:
        return self._clock().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def weights_file(snapshot: Snapshot) -> list[bytes | memoryview]:
    """The bytes that GET weights sends: parameters and buffers, as PyTorch's state_dict."""
    return safetensors.serialize(snapshot.weights(), INFERENCE)


def digest(chunks: list[bytes | memoryview]) -> str:
    """`sha256:<hex>` of the chunks."""
    sha = hashlib.sha256()
    for chunk in chunks:
        sha.update(chunk)
    return f"sha256:{sha.hexdigest()}"


def _compare(name: str, head: int, if_match: int | None) -> None:
    if if_match is not None and if_match != head:
        raise VersionConflict(f"If-Match is {if_match}, but the newest version of model '{name}' is {head}", head)
