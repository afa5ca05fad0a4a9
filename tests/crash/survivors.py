"""What must be true of a data directory that a crash or a failed call left behind."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from werkzeug.test import Client

from convserve_service.store.records import DatasetRow, VersionRow
from convserve_service.store.store import Store
from tests.crash.writes import SCRIPT, Answer, answers, application, send

MODELS = ("m", "gone")
ROW = ("version", "parent", "verb", "step", "loss", "digest", "weights_digest", "aliases", "available")


@dataclass(frozen=True)
class Expected:
    """An undisturbed run: the reply to every key, and what is there at its end."""

    replies: dict[str, Answer]
    outcome: dict[str, Any]

    @property
    def digests(self) -> dict[tuple[str, str], tuple[str, str]]:
        """(model, version) -> the digests that this version must have whenever it is there."""
        made = [answer.lasting for answer in self.replies.values()]
        return {
            (one["model_name"], one["model_version"]): (one["digest"], one["weights_digest"])
            for one in made
            if "weights_digest" in one
        }


def undisturbed(data_dir: Path, report: Path) -> Expected:
    """What a run that nothing disturbed left."""
    given, refused = answers(report)
    assert not refused, refused
    assert [answer.key for answer in given] == [write.key for write in SCRIPT]
    assert all(answer.applied for answer in given), given
    with application(data_dir) as client:
        return Expected({answer.key: answer for answer in given}, outcome(client))


def outcome(client: Client) -> dict[str, Any]:
    """Everything that clients can see and that does not tell the time."""
    seen: dict[str, Any] = {name: _history(client, name) for name in MODELS}
    datasets = client.get("/v2/datasets").json["datasets"]
    seen["datasets"] = [{name: value for name, value in row.items() if name != "created"} for row in datasets]
    return seen


def survivors(data_dir: Path, report: Path, expected: Expected) -> list[str]:
    """What is wrong; empty where every promise held."""
    given, _ = answers(report)
    acknowledged = {answer.key: answer for answer in given if answer.applied}
    wrong = [f"{one.key} answered {one.status}: {one.body}" for one in given if one.status not in (200, 201, 503)]
    if len(unavailable := [one.key for one in given if one.status == 503]) > 1:
        wrong.append(f"one failed call was answered with several 503, to {unavailable}")
    store = Store.open(data_dir)
    store.sweep(store.found())
    wrong += _files(store)
    with application(data_dir) as client:
        wrong += _visible(client, expected)
        wrong += _lost(client, acknowledged.values())
        wrong += _repeated(client, acknowledged, expected)
        wrong += _repeated(client, acknowledged, expected)
        if (found := outcome(client)) != expected.outcome:
            wrong.append(f"the end is {found}, not {expected.outcome}")
    wrong += _files(store)
    return wrong


def _history(client: Client, model: str) -> list[dict[str, Any]]:
    reply = client.get(f"/v2/models/{model}/versions")
    return [{name: row[name] for name in ROW} for row in reply.json["versions"]] if reply.status_code == 200 else []


def _files(store: Store) -> list[str]:
    """Blobs and rows belong together, one to one; every blob has the digest of its row."""
    there, needed = store.blobs.names(), store.catalog.blobs()
    wrong = [f"the blob {name} has no row" for name in there - needed]
    wrong += [f"the row of blob {name} has no file" for name in needed - there]
    rows: list[VersionRow | DatasetRow] = [*store.catalog.datasets()]
    for model in store.catalog.models():
        rows += [row for row in store.catalog.versions(model.name, 1000) if row.available]
    wrong += [f"{row} is torn" for row in rows if row.blob in there and _digest(store, row.blob) != row.digest]
    if (store.folder / "damaged").exists():
        wrong.append("a blob was put aside as damaged")
    return wrong + store.catalog.damage()


def _digest(store: Store, blob: str) -> str:
    return f"sha256:{sha256((store.blobs.folder / blob).read_bytes()).hexdigest()}"


def _visible(client: Client, expected: Expected) -> list[str]:
    """What is there is whole, and is what an undisturbed run made; numbers have no gap."""
    wrong = []
    for model in MODELS:
        rows = _history(client, model)
        numbers = [int(row["version"]) for row in rows]
        if numbers and numbers != list(range(numbers[0], numbers[0] - len(numbers), -1)):
            wrong.append(f"{model} has the versions {numbers}")
        for row in rows:
            if (row["digest"], row["weights_digest"]) != expected.digests.get((model, row["version"])):
                wrong.append(f"{model}/{row['version']} has other digests than in the undisturbed run")
            if not row["available"]:
                continue
            weights = client.get(f"/v2/models/{model}/versions/{row['version']}/weights")
            if f"sha256:{sha256(weights.get_data()).hexdigest()}" != row["weights_digest"]:
                wrong.append(f"{model}/{row['version']} gives {weights.status_code} and other weights than its digest")
            if "Convserve-Degraded" in weights.headers:
                wrong.append(f"{model} is degraded")
    return wrong


def _lost(client: Client, acknowledged: Iterable[Answer]) -> list[str]:
    """Versions that were acknowledged and are not in the history, though no DELETE was sent after them."""
    there = {(model, row["version"]) for model in MODELS for row in _history(client, model)}
    made = [answer.lasting for answer in acknowledged]
    return [
        f"{one['model_name']}/{one['model_version']} was acknowledged and is not there"
        for one in made
        if one.get("model_name") == "m" and "weights_digest" in one
        if ("m", one["model_version"]) not in there
    ]


def _repeated(client: Client, acknowledged: dict[str, Answer], expected: Expected) -> list[str]:
    """Every request once more: the stored reply to what was acknowledged, the only right one to the rest."""
    wrong = []
    for write in SCRIPT:
        answer, right = send(client, write), expected.replies[write.key]
        if write.key in acknowledged:
            if answer != acknowledged[write.key]:
                wrong.append(f"{write.key} was {acknowledged[write.key]}, its repeat is {answer}")
        elif not answer.applied:
            wrong.append(f"{write.key} cannot be applied any more: {answer}")
        elif (answer.status, answer.lasting, answer.headers) != (right.status, right.lasting, right.headers):
            wrong.append(f"{write.key} gives {answer}, undisturbed {right}")
        acknowledged.setdefault(write.key, answer)
    return wrong
