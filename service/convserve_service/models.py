"""The models: one immutable version for each reader, one compare-and-set commit for each writer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from convserve_model import Snapshot, safetensors
from convserve_service import origin
from convserve_service.live import Live, Loader
from convserve_service.specification import Specification
from convserve_service.store.blobs import digest
from convserve_service.store.catalog import NUMBERS
from convserve_service.store.errors import (
    BlobLost,
    ModelExists,
    ModelNotFound,
    StoreBusy,
    StoreFull,
    StoreUnavailable,
    VersionConflict,
    VersionGone,
    VersionLost,
    VersionNotFound,
)
from convserve_service.store.records import COLLECTED, DAMAGED, Key, ModelRow, Reply, VersionRow
from convserve_service.store.store import Store
from convserve_service.store.transaction import Transaction
from convserve_service.turns import Turns

INFERENCE = {"format": "pt"}
log = structlog.get_logger("convserve")


def nothing(transaction: Transaction, version: int) -> None:
    """What a commit does besides, as a rule."""


@dataclass(frozen=True)
class Change:
    """What a writer makes of a version; `reply` is called with the row that it becomes, before it is committed.

    `also` is done in the same transaction, with the number of the new version.
    """

    snapshot: Snapshot
    verb: str
    reply: Callable[[VersionRow], Reply]
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    loss: float | None = None
    also: Callable[[Transaction, int], None] = nothing


class Models:
    """All models of a store, at most `most`. The states of the newest `keep` versions of each stay, and those aliased.

    Where it does not `heal`, damage is told but not noted in the store.
    """

    def __init__(self, store: Store, turns: Turns, *, keep: int, most: int = 1000, heal: bool = True) -> None:
        self._store = store
        self._turns = turns
        self._keep = keep
        self._most = most
        self._heal = heal
        self._loader = Loader(store)
        self._cpu = origin.cpu()

    def read(self, name: str, version: str | None = None) -> Live:
        """The newest version, or that of a number or an alias."""
        below, doubted, lost = NUMBERS, None, None
        while True:
            try:
                row, found = self._find(name, version, below)
            except StoreUnavailable:
                wanted = _number(version)
                known = self._loader.known(name, wanted) if isinstance(wanted, int) else None
                if known is None:
                    raise
                return known
            try:
                return self._loader.load(row if lost is None else replace(row, degraded=lost), found)
            except BlobLost:
                if found.version != doubted:  # it may have been collected, or read again it may be there
                    doubted = found.version
                elif not (self._heal and self._lose(found)):  # nothing can be committed now; who reads goes on without
                    if version is not None:
                        raise _no_state(replace(found, state=DAMAGED)) from None
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
            raise _no_model(name)
        return row

    def create(
        self, name: str, specification: Specification, *, key: Key | None, reply: Callable[[VersionRow, bool], Reply]
    ) -> Reply:
        """Version 1 of a new model; the same specification again changes nothing. `reply` is told whether it is new."""
        with self._turns.take(name, key) as replayed:
            if replayed is not None:
                return replayed
            row, version = self._store.catalog.read(name, None)
            if row is not None:
                if row.spec != specification.text:
                    raise ModelExists(
                        f"model '{name}' was created from another specification; delete it or take another name"
                    )
                if version is None:
                    raise _no_version(name, None)
                with self._store.catalog.transaction() as transaction:
                    return self._store.record(transaction, key, reply(version, False))
            model = ModelRow(name, specification.text, self._store.now(), True)
            snapshot = Snapshot.initial(specification.network, specification.training, seed=specification.seed)
            change = Change(snapshot, "create", lambda row: reply(row, True))
            return self._commit(model, specification, change, None, key)

    def write(
        self, name: str, change: Callable[[Live], Change], *, key: Key | None = None, if_match: int | None = None
    ) -> Reply:
        """One transaction: `change` makes of the newest version the next one, which is committed with its reply."""
        self.find(name)
        with self._turns.take(name, key) as replayed:
            if replayed is not None:
                return replayed
            live = self.read(name)
            _compare(name, live.version.version, if_match)
            return self._commit(live.row, live.specification, change(live), live.version.version, key)

    def alter(
        self,
        name: str,
        apply: Callable[[Transaction], Reply],
        *,
        key: Key | None = None,
        if_match: int | None = None,
    ) -> Reply:
        """A write that makes no version: what `apply` does in its transaction."""
        self.find(name)
        with self._turns.take(name, key) as replayed:
            if replayed is not None:
                return replayed
            with self._store.catalog.transaction() as transaction:
                if not transaction.has_model(name):
                    raise _no_model(name)
                _compare(name, transaction.head(name) or 0, if_match)
                return self._store.record(transaction, key, apply(transaction))

    def delete(self, name: str, *, key: Key | None, if_match: int | None, reply: Reply) -> Reply:
        """Remove a model and all its versions; who reads one keeps it."""
        blobs: list[str] = []

        def apply(transaction: Transaction) -> Reply:
            blobs.extend(transaction.delete_model(name, self._store.now()))
            return reply

        answer = self.alter(name, apply, key=key, if_match=if_match)
        self._store.blobs.remove_all(blobs)
        return answer

    def set_alias(
        self, name: str, alias: str, version: str, *, key: Key | None, if_match: int | None,
        reply: Callable[[int], Reply],
    ) -> Reply:  # fmt: skip
        """Let `alias` mean a version (a number or another alias)."""

        def apply(transaction: Transaction) -> Reply:
            number = self._find(name, version)[1].version
            transaction.set_alias(name, alias, number)
            return reply(number)

        return self.alter(name, apply, key=key, if_match=if_match)

    def delete_alias(self, name: str, alias: str, *, key: Key | None, if_match: int | None, reply: Reply) -> Reply:
        def apply(transaction: Transaction) -> Reply:
            if not transaction.delete_alias(name, alias):
                raise VersionNotFound(f"model '{name}' has no alias '{alias}'")
            return reply

        return self.alter(name, apply, key=key, if_match=if_match)

    def set_loaded(self, name: str, loaded: bool, *, key: Key | None, reply: Reply) -> Reply:
        """Whether the model answers, at once, whoever writes it; its versions stay."""
        with self._turns.slot(), self._store.catalog.transaction() as transaction:
            if not transaction.set_loaded(name, loaded):
                raise _no_model(name)
            return self._store.record(transaction, key, reply)

    def _find(self, name: str, version: str | None, below: int = NUMBERS) -> tuple[ModelRow, VersionRow]:
        """The rows of a version that has its state, as the catalog says; the newest is looked for `below` a number."""
        row, found = self._store.catalog.read(name, _number(version), below=below)
        if row is None:
            raise _no_model(name)
        if found is None:
            raise _no_version(name, version)
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

    def _commit(
        self, model: ModelRow, specification: Specification, change: Change, parent: int | None, key: Key | None
    ) -> Reply:
        """Blob first, then the row that publishes it: version, idempotency record and reply in one transaction."""
        store, name = self._store, model.name
        blob = store.blobs.write(safetensors.serialize(*change.snapshot.to_tensors()))
        weights = weights_file(change.snapshot)
        row = VersionRow(
            model=name, version=0, parent=parent, verb=change.verb, hyperparameters=dict(change.hyperparameters),
            step=change.snapshot.step, loss=change.loss, digest=blob.digest, weights_digest=digest(weights),
            blob=blob.name, created=store.now(), release=origin.RELEASE, cpu=self._cpu,
        )  # fmt: skip
        with store.publishing(blob) as transaction:
            if transaction.head(name) != parent:
                raise StoreBusy(f"another writer was first on model '{name}'; nothing was changed, repeat")
            row = replace(row, version=transaction.last_number(name) + 1)
            if parent is None:
                if transaction.count("models") >= self._most:
                    raise StoreFull(f"there are {self._most} models already; delete one first")
                transaction.add_model(model)
            transaction.add_version(row)
            change.also(transaction, row.version)
            collected = transaction.collect(name, row.version - self._keep)
            reply = store.record(transaction, key, change.reply(row))
        store.blobs.remove_all(collected)
        self._loader.keep(Live(model, row, specification, change.snapshot))
        return reply


def weights_file(snapshot: Snapshot) -> list[bytes | memoryview]:
    """The bytes that GET weights sends: parameters and buffers, as PyTorch's state_dict."""
    return safetensors.serialize(snapshot.weights(), INFERENCE)


def _number(version: str | None) -> int | str | None:
    """A version's number, or its alias as it is."""
    if version is not None and version.isascii() and version.isdigit() and len(version) < 19:
        return int(version)
    return version


def _compare(name: str, head: int, if_match: int | None) -> None:
    if if_match is not None and if_match != head:
        raise VersionConflict(f"If-Match is {if_match}, but the newest version of model '{name}' is {head}", head)


def _no_model(name: str) -> ModelNotFound:
    return ModelNotFound(f"there is no model '{name}'; create it with PUT /v2/models/{name}")


def _no_version(name: str, version: str | None) -> Exception:
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
