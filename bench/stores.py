"""Stores without a server, for what is timed or made in process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from convserve_client.architectures import lenet5
from convserve_service.models import Change, Models
from convserve_service.reader import Reader
from convserve_service.settings import Settings
from convserve_service.specification import Specification, from_message
from convserve_service.store.records import COLLECTED, Key, Reply, VersionRow
from convserve_service.store.store import Store
from convserve_service.turns import Turns
from convserve_wire.messages import ModelSpec

MODEL = "lenet5"


def lenet(optimizer: str) -> Specification:
    """LeNet-5 with an optimizer, all else as by default."""
    return from_message(ModelSpec.model_validate(creation(optimizer)))


def creation(optimizer: str) -> dict[str, Any]:
    """What a client sends to create the same."""
    return {"architecture": lenet5(), "training": {"optimizer": {"name": optimizer}}}


def opened(folder: Path, optimizer: str) -> tuple[Store, Models]:
    """A new data directory with one model at version 1."""
    settings = Settings(data_dir=folder)
    store = Store.open(folder, reply_hours=settings.idempotency_hours)
    models = Models(store, Reader(store), Turns(store, settings.request_threads // 2), keep=settings.keep)
    models.create(MODEL, lenet(optimizer), key=None, reply=lambda row, new: _reply(row))
    return store, models


def committing(models: Models) -> Callable[[str], None]:
    """A commit and nothing else: the newest state, once more, under an idempotency key."""

    def commit(key: str) -> None:
        models.write(MODEL, lambda live: Change(live.snapshot, "train", _reply), key=Key("", key, b"\0" * 32))

    return commit


def grow(folder: Path, versions: int, states: int) -> None:
    """A data directory with a model of so many versions; the newest `states` of them have their state."""
    store, models = opened(folder, "sgd")
    commit = committing(models)
    first = store.catalog.versions(MODEL, 1)[0]
    with store.catalog.transaction() as transaction:
        for number in range(2, versions - states + 1):
            transaction.add_version(first._replace(version=number, parent=number - 1, state=COLLECTED))
    for number in range(states):
        commit(f"key-{number}")
    assert store.catalog.versions(MODEL, 1)[0].version == versions


def _reply(row: VersionRow) -> Reply:
    return Reply(200, row.digest.encode() + row.weights_digest.encode(), model_version=str(row.version))
