"""Writers of models: one at a time for each, each commit a compare-and-set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from convserve_model import Snapshot, safetensors
from convserve_service import origin
from convserve_service.live import Live
from convserve_service.reader import Reader, no_model, no_version
from convserve_service.specification import Specification
from convserve_service.store.blobs import digest_of
from convserve_service.store.errors import (
    ModelExists,
    StoreBusy,
    StoreFull,
    VersionConflict,
    VersionNotFound,
)
from convserve_service.store.records import Key, ModelRow, Reply, VersionRow
from convserve_service.store.store import Store
from convserve_service.store.transaction import Transaction
from convserve_service.turns import Turns

INFERENCE = {"format": "pt"}


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
    """What changes models, at most `most`: the states of the newest `keep` versions of each stay, and those aliased."""

    def __init__(self, store: Store, reader: Reader, turns: Turns, *, keep: int, most: int = 1000) -> None:
        self._store = store
        self._reader = reader
        self._turns = turns
        self._keep = keep
        self._most = most

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
                    raise no_version(name, None)
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
        self._reader.find(name)
        with self._turns.take(name, key) as replayed:
            if replayed is not None:
                return replayed
            live = self._reader.read(name)
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
        self._reader.find(name)
        with self._turns.take(name, key) as replayed:
            if replayed is not None:
                return replayed
            with self._store.catalog.transaction() as transaction:
                if not transaction.has_model(name):
                    raise no_model(name)
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
            number = self._reader.rows(name, version)[1].version
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
                raise no_model(name)
            return self._store.record(transaction, key, reply)

    def _commit(
        self, model: ModelRow, specification: Specification, change: Change, parent: int | None, key: Key | None
    ) -> Reply:
        """Blob first, then the row that publishes it: version, idempotency record and reply in one transaction."""
        store, name = self._store, model.name
        blob = store.blobs.write(safetensors.serialize(*change.snapshot.to_tensors()))
        weights = weights_file(change.snapshot)
        row = VersionRow(
            model=name, version=0, parent=parent, verb=change.verb, hyperparameters=dict(change.hyperparameters),
            step=change.snapshot.step, loss=change.loss, digest=blob.digest, weights_digest=digest_of(weights),
            blob=blob.name, created=store.now(), release=origin.RELEASE, cpu=origin.cpu(),
        )  # fmt: skip
        with store.publishing(blob) as transaction:
            if transaction.head(name) != parent:
                raise StoreBusy(f"another writer was first on model '{name}'; nothing was changed, repeat")
            row = row._replace(version=transaction.last_number(name) + 1)
            if parent is None:
                if transaction.count("models") >= self._most:
                    raise StoreFull(f"there are {self._most} models already; delete one first")
                transaction.add_model(model)
            transaction.add_version(row)
            change.also(transaction, row.version)
            collected = transaction.collect(name, row.version - self._keep)
            reply = store.record(transaction, key, change.reply(row))
        store.blobs.remove_all(collected)
        self._reader.keep(Live(model, row, specification, change.snapshot))
        return reply


def weights_file(snapshot: Snapshot) -> list[bytes | memoryview]:
    """The bytes that GET weights sends: parameters and buffers, as PyTorch's state_dict."""
    return safetensors.serialize(snapshot.weights(), INFERENCE)


def _compare(name: str, head: int, if_match: int | None) -> None:
    if if_match is not None and if_match != head:
        raise VersionConflict(f"If-Match is {if_match}, but the newest version of model '{name}' is {head}", head)
