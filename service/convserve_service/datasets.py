"""Datasets: immutable safetensors files with rows x and targets y, which jobs train on."""

from collections.abc import Callable
from typing import Any

import numpy as np

from convserve_model import InputError, TargetError, safetensors
from convserve_model.errors import some
from convserve_service.store.blobs import digest_of
from convserve_service.store.errors import (
    BlobLost,
    DatasetExists,
    DatasetInUse,
    DatasetLost,
    DatasetNotFound,
    StoreFull,
)
from convserve_service.store.records import DatasetRow, Key, Reply
from convserve_service.store.store import Store
from convserve_service.turns import Turns


class Datasets:
    """All datasets of a store, at most `most`."""

    def __init__(self, store: Store, turns: Turns, *, most: int = 100) -> None:
        self._store = store
        self._turns = turns
        self._most = most

    def all(self) -> list[DatasetRow]:
        """Every dataset, by name."""
        return self._store.catalog.datasets()

    def find(self, name: str) -> DatasetRow:
        """The dataset, or DatasetNotFound."""
        row = self._store.catalog.dataset(name)
        if row is None:
            raise missing(name)
        return row

    def put(self, name: str, data: bytes, *, key: Key | None, reply: Callable[[DatasetRow, bool], Reply]) -> Reply:
        """Store a file; the same bytes again change nothing. `reply` is told whether it is new."""
        x, _ = _arrays(data)
        with self._turns.take(f"dataset.{name}", key) as replayed:
            if replayed is not None:
                return replayed
            row = self._store.catalog.dataset(name)
            if row is None:
                return self._add(name, data, len(x), key, reply)
            if row.digest != digest_of([data]):
                raise DatasetExists(f"dataset '{name}' was stored with other bytes; delete it or take another name")
            with self._store.catalog.transaction() as transaction:
                return self._store.record(transaction, key, reply(row, False))

    def delete(self, name: str, *, key: Key | None, reply: Reply) -> Reply:
        """Remove a dataset that no unfinished job needs."""
        self.find(name)
        with self._turns.take(f"dataset.{name}", key) as replayed:
            if replayed is not None:
                return replayed
            with self._store.catalog.transaction() as transaction:
                row = transaction.dataset(name)
                if row is None:
                    raise missing(name)
                if transaction.dataset_in_use(name):
                    raise DatasetInUse(f"a job still trains on dataset '{name}'; cancel it or wait")
                transaction.delete_dataset(name)
                self._store.record(transaction, key, reply)
            self._store.blobs.remove_all([row.blob])
            return reply

    def file(self, row: DatasetRow) -> memoryview:
        """The bytes as they were put; DatasetLost where they are damaged."""
        try:
            return self._store.data(row.blob, row.digest, row.created)
        except BlobLost as error:
            raise DatasetLost(f"the bytes of dataset '{row.name}' are damaged; delete it and put it again") from error

    def arrays(self, row: DatasetRow) -> tuple[Any, Any]:
        """x [N,C,H,W] and y, as views of the file."""
        return _arrays(self.file(row))

    def _add(
        self, name: str, data: bytes, rows: int, key: Key | None, reply: Callable[[DatasetRow, bool], Reply]
    ) -> Reply:
        """Blob first, then the row that publishes it."""
        blob = self._store.blobs.write([data])
        row = DatasetRow(name, blob.digest, blob.name, rows, len(data), self._store.now())
        with self._store.publishing(blob) as transaction:
            if transaction.count("datasets") >= self._most:
                raise StoreFull(f"there are {self._most} datasets already; delete one first")
            transaction.add_dataset(row)
            return self._store.record(transaction, key, reply(row, True))


def missing(name: str) -> DatasetNotFound:
    return DatasetNotFound(f"there is no dataset '{name}'; put one with PUT /v2/datasets/{name}")


def _arrays(data: bytes | memoryview) -> tuple[Any, Any]:
    """x and y of a file; InputError and TargetError say what they must be."""
    tensors, _ = safetensors.deserialize(data)
    if set(tensors) != {"x", "y"}:
        raise InputError(f"the file has the tensors {some(sorted(tensors))}, but a dataset has x and y", "x")
    x, y = tensors["x"], tensors["y"]
    if x.ndim != 4 or not len(x) or not (x.dtype == np.uint8 or x.dtype.kind == "f"):
        got = f"{x.dtype} {list(x.shape)}"
        raise InputError(f"x is {got}, but it must be uint8 or floating-point [N, C, H, W] with N of at least 1", "x")
    if y.ndim not in (1, 2) or len(y) != len(x) or y.dtype.kind not in "iuf":
        got = f"{y.dtype} {list(y.shape)}"
        raise TargetError(f"y is {got}, but it must be integers [{len(x)}] or floating-point [{len(x)}, K]", "y")
    for name, array in (("x", x), ("y", y)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"{name} holds a NaN or an infinity", name)
    return x, y
