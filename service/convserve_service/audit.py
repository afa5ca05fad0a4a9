"""Whether a store is whole: the catalog itself, every state and dataset against its digest, every history."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from convserve_model import safetensors
from convserve_service.datasets import Datasets
from convserve_service.live import Loader
from convserve_service.models import weights_file
from convserve_service.store.blobs import digest_of
from convserve_service.store.errors import StoreError
from convserve_service.store.records import DAMAGED, DatasetRow, ModelRow, VersionRow
from convserve_service.store.store import Store


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `problem` is None where it is whole."""

    what: str
    problem: str | None = None


def audit(store: Store, datasets: Datasets) -> Iterator[Finding]:
    """Look at everything and change nothing; also while the service runs."""
    yield Finding("catalog", "; ".join(store.catalog.damage()) or None)
    for model in store.catalog.models():
        yield from _history(store, model)
    for dataset in store.catalog.datasets():
        yield Finding(f"dataset {dataset.name}", _rows(store, datasets, dataset))


def _rows(store: Store, datasets: Datasets, row: DatasetRow) -> str | None:
    problem = _problem(lambda: datasets.arrays(row))
    return problem if store.catalog.dataset(row.name) == row else None  # it was deleted meanwhile


def _history(store: Store, model: ModelRow) -> Iterator[Finding]:
    newer: int | None = None
    loader = Loader(store)
    for row in store.catalog.versions(model.name):
        name = f"{model.name} version {row.version}"
        if newer is not None and row.version != newer - 1:
            yield Finding(name, f"the next number in the history is {newer}")
        newer = row.version
        if row.available:
            yield Finding(name, _state(store, loader, model, row))
        elif row.state == DAMAGED:
            yield Finding(name, "its state was damaged")
    if model.degraded is not None:
        yield Finding(model.name, f"its newest version was {model.degraded} and is lost; see `convserve acknowledge`")


def _state(store: Store, loader: Loader, model: ModelRow, row: VersionRow) -> str | None:
    def look() -> str | None:
        live = loader.load(model, row)
        if digest_of(safetensors.serialize(*live.snapshot.to_tensors())) != row.digest:
            return "its file is not what was written"
        return None if digest_of(weights_file(live.snapshot)) == row.weights_digest else "its weights_digest differs"

    problem = _problem(look)
    now = store.catalog.read(model.name, row.version)[1]
    return problem if now is not None and now.available else None  # it was collected meanwhile


def _problem(look: Callable[[], object]) -> str | None:
    try:
        found = look()
    except StoreError as error:
        return str(error)
    return found if isinstance(found, str) else None
