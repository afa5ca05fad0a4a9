"""Make a model's versions again from its jobs and their datasets, and compare digests."""

from collections.abc import Iterator
from dataclasses import dataclass

from convserve_model import Engine, Snapshot, safetensors
from convserve_service import origin
from convserve_service.datasets import Datasets
from convserve_service.jobs import Plan
from convserve_service.reader import Reader
from convserve_service.runner import rows
from convserve_service.specification import Specification, from_text
from convserve_service.store.blobs import digest_of
from convserve_service.store.errors import StoreError
from convserve_service.store.records import VersionRow


class ReplayError(StoreError):
    """Why a history cannot be made again."""


@dataclass(frozen=True)
class Made:
    """A version that was made again; `same` is whether its digest is that of the history."""

    row: VersionRow
    same: bool


class Replay:
    """Reads a store; changes nothing. On another release or kind of CPU the bits may differ: ReplayError."""

    def __init__(self, reader: Reader, datasets: Datasets, engine: Engine) -> None:
        self._reader = reader
        self._datasets = datasets
        self._engine = engine

    def run(self, name: str, start: int | None = None) -> Iterator[Made]:
        """Every version from the model's creation, or after version `start` whose state is still there."""
        spec = from_text(self._reader.find(name).spec)
        history = self._reader.versions(name)[::-1]
        chosen = [row for row in history if start is None or row.version >= start]
        if not chosen or (start is not None and chosen[0].version != start):
            raise ReplayError(f"model '{name}' has no version {start}")
        _check(chosen, start)
        made: dict[int, Snapshot] = {}
        if start is None:
            snapshot = Snapshot.initial(spec.network, spec.training, seed=spec.seed)
            yield _made(chosen[0], snapshot)
        else:
            snapshot = self._reader.read(name, str(start)).snapshot
        made[chosen[0].version] = snapshot
        for row in chosen[1:]:
            parent = made.get(row.parent or 0) or self._reader.read(name, str(row.parent)).snapshot
            snapshot = self._again(spec, row, parent)
            yield _made(row, snapshot)
            made = {row.version: snapshot}

    def _again(self, spec: Specification, row: VersionRow, snapshot: Snapshot) -> Snapshot:
        """The segment of a job that made a version, once more."""
        told = row.hyperparameters
        dataset = self._datasets.find(told["dataset"])
        if dataset.digest != told["digest"]:
            raise ReplayError(
                f"version {row.version} was trained on dataset '{dataset.name}' as {told['digest']}, but that is"
                f" {dataset.digest} now; put the old bytes under that name"
            )
        x, y = self._datasets.arrays(dataset)
        plan = Plan.of(dataset.name, dataset.digest, told)
        training = spec.training.override(plan.overrides)
        pieces = rows(plan, spec.preprocess, x, y, done=told["done"])
        steps = self._engine.steps(spec.network, training, snapshot, pieces, seed=spec.seed)
        for _, (stepped, _) in zip(range(told["steps"]), steps, strict=False):
            snapshot = stepped
        return snapshot


def _check(chosen: list[VersionRow], start: int | None) -> None:
    first, others = chosen[0], chosen[1:]
    by_hand = [f"{row.version} ({row.verb})" for row in others if row.verb != "fit"]
    if by_hand:
        raise ReplayError(
            f"versions {', '.join(by_hand[:10])}{', ...' if len(by_hand) > 10 else ''} were not made by jobs on stored"
            f" datasets, so nothing here can make them again; begin after the last of them with --from"
        )
    for row in chosen if start is None else others:
        if (row.release, row.cpu) != (origin.RELEASE, origin.cpu()):
            raise ReplayError(
                f"not comparable: version {row.version} was made by release {row.release} on '{row.cpu}', and this is"
                f" {origin.RELEASE} on '{origin.cpu()}'"
            )
    if start is None and first.verb != "create":
        raise ReplayError(f"the history begins with version {first.version} ({first.verb}), not with a creation")


def _made(row: VersionRow, snapshot: Snapshot) -> Made:
    return Made(row, digest_of(safetensors.serialize(*snapshot.to_tensors())) == row.digest)
