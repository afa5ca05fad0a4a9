"""What a writer may rely on: exactly once, compare and set, a history without gaps, and nothing half done."""

import threading
from collections import Counter
from typing import Any

import pytest
import requests

from tests.service.calls import batch, call, versions
from tests.service.specs import SIMPLE_CNN, trained_with


@pytest.fixture
def model(server: str, name: str) -> str:
    """The address of a new SimpleCNN."""
    call("PUT", f"{server}/v2/models/{name}", SIMPLE_CNN).raise_for_status()
    return f"{server}/v2/models/{name}"


def head(model: str) -> dict[str, Any]:
    found: dict[str, Any] = call("GET", f"{model}/versions").json()["versions"][0]
    return found


def same(first: requests.Response, second: requests.Response) -> bool:
    """The same reply to the byte, request id and date aside."""
    names = ("Content-Type", "Inference-Header-Content-Length", "Convserve-Model-Version")
    headers = [[reply.headers.get(name) for name in names] for reply in (first, second)]
    return (first.status_code, first.content) == (second.status_code, second.content) and headers[0] == headers[1]


def test_creation_answers_201_then_200(server: str, name: str) -> None:
    """The same body again changes nothing."""
    first, second = (call("PUT", f"{server}/v2/models/{name}", SIMPLE_CNN) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert len(versions(server, name)) == 1


def test_defaults_written_out_are_the_same_specification(server: str, name: str) -> None:
    """PUT compares what was put with its defaults filled in."""
    call("PUT", f"{server}/v2/models/{name}", SIMPLE_CNN)
    described = call("GET", f"{server}/v2/models/{name}/architecture").json()
    spec = {member: described[member] for member in ("architecture", "preprocess", "training", "seed")}
    assert call("PUT", f"{server}/v2/models/{name}", spec).status_code == 200


def test_one_request_makes_one_version(model: str) -> None:
    """Three epochs of two batches are six steps, one version, six losses."""
    reply = call("POST", f"{model}/train", batch(4, epochs=3, batch_size=2)).json()
    assert (reply["model_version"], reply["step"], reply["steps"]) == ("2", 6, 6)
    assert reply["outputs"][0]["shape"] == [6]
    row = head(model)
    assert (row["version"], row["parent"], row["verb"], row["step"]) == ("2", "1", "train", 6)
    assert row["digest"] == reply["digest"]
    assert row["loss"] == pytest.approx(reply["outputs"][0]["data"][-1], rel=1e-6)
    assert row["hyperparameters"] == {"epochs": 3, "batch_size": 2, "rows": 4}


WRITES: dict[str, tuple[str, str, Any]] = {
    "train": ("POST", "/train", batch()),
    "rollback": ("POST", "/rollback", {"version": "1"}),
    "alias": ("PUT", "/aliases/production", {"version": "1"}),
    "delete": ("DELETE", "", None),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_key_is_applied_once(model: str, key: str, write: tuple[str, str, Any]) -> None:
    """The repeat gets the stored reply to the byte, quoted or bare, even after a DELETE; another request 422."""
    method, path, body = write
    first = call(method, model + path, body, Idempotency_Key=f'"{key}"')
    again = call(method, model + path, body, Idempotency_Key=key)
    assert first.status_code == 200
    assert same(first, again)
    other = call("POST", f"{model}/train", batch(3), Idempotency_Key=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")


def test_weights_and_creation_take_keys(server: str, name: str, key: str) -> None:
    """PUT of a model and of weights too."""
    url = f"{server}/v2/models/{name}"
    first, again = (call("PUT", url, SIMPLE_CNN, Idempotency_Key=f"{key}-c") for _ in range(2))
    assert same(first, again)
    assert first.status_code == 201
    weights = call("GET", f"{url}/weights").content
    first, again = (call("PUT", f"{url}/weights", weights, Idempotency_Key=f"{key}-w") for _ in range(2))
    assert same(first, again)
    assert len(versions(server, name)) == 2


def test_an_error_leaves_the_key_free(model: str, key: str) -> None:
    """Only applied writes are recorded."""
    refused = call("POST", f"{model}/train", batch(epochs=0), Idempotency_Key=key)
    assert refused.status_code == 400
    assert call("POST", f"{model}/train", batch(), Idempotency_Key=key).status_code == 200


def test_the_same_key_at_once_is_applied_once(model: str, key: str) -> None:
    """Of eight simultaneous repeats one is applied; each gets that reply, or is told that it is running."""
    replies: list[requests.Response] = []
    body = batch(64, epochs=20)

    def send() -> None:
        replies.append(call("POST", f"{model}/train", body, Idempotency_Key=key))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = Counter(reply.status_code for reply in replies)
    assert set(counts) <= {200, 409}
    assert all(reply.headers["Retry-After"] for reply in replies if reply.status_code == 409)
    assert len({reply.content for reply in replies if reply.status_code == 200}) == 1
    assert head(model)["version"] == "2"


def test_compare_and_set_wins_once_for_each_version(model: str) -> None:
    """Eight clients that each try If-Match end at exactly as many new versions as there were 200s."""
    won: list[int] = []

    def send() -> None:
        for _ in range(6):
            reply = call("POST", f"{model}/train", batch(), If_Match=f'"{head(model)["version"]}"')
            assert reply.status_code in (200, 412), reply.text
            if reply.status_code == 200:
                won.append(int(reply.json()["model_version"]))
            else:
                assert int(reply.headers["Convserve-Model-Version"]) >= 1

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(2, int(head(model)["version"]) + 1))


def test_a_name_used_again_goes_on_counting(server: str, name: str) -> None:
    """After DELETE the next version is the last number + 1."""
    url = f"{server}/v2/models/{name}"
    call("PUT", url, SIMPLE_CNN)
    call("POST", f"{url}/train", batch())
    call("DELETE", url).raise_for_status()
    assert call("GET", url).status_code == 404
    assert call("PUT", url, SIMPLE_CNN).json()["model_version"] == "3"


def test_rollback_brings_the_optimizer_back(server: str, name: str) -> None:
    """Training on from a rollback gives the same digests as training on from the version itself."""
    url = f"{server}/v2/models/{name}"
    call("PUT", url, trained_with(optimizer={"name": "adam"}))
    steps = [call("POST", f"{url}/train", batch(5)).json() for _ in range(3)]
    call("POST", f"{url}/rollback", {"version": "2"}).raise_for_status()
    assert head(url)["digest"] == steps[0]["digest"]
    assert [call("POST", f"{url}/train", batch(5)).json()["digest"] for _ in range(2)] == [
        step["digest"] for step in steps[1:]
    ]


def test_an_alias_is_accepted_wherever_a_version_is(model: str) -> None:
    """Replies name the number; the listing names the alias; a deleted alias is gone."""
    call("POST", f"{model}/train", batch())
    call("PUT", f"{model}/aliases/production", {"version": "1"}).raise_for_status()
    infer = {"inputs": batch()["inputs"][:1]}
    assert call("POST", f"{model}/versions/production/infer", infer).json()["model_version"] == "1"
    rows = call("GET", f"{model}/versions").json()["versions"]
    assert [row["aliases"] for row in rows] == [[], ["production"]]
    assert call("DELETE", f"{model}/aliases/production").status_code == 200
    assert call("POST", f"{model}/versions/production/infer", infer).status_code == 404


def test_unloaded_models_refuse_and_come_back(server: str, model: str) -> None:
    """Their versions stay."""
    name = model.rsplit("/", 1)[1]
    call("POST", f"{server}/v2/repository/models/{name}/unload").raise_for_status()
    refused = call("POST", f"{model}/infer", {"inputs": batch()["inputs"][:1]})
    assert (refused.status_code, refused.json()["code"]) == (400, "model_unloaded")
    call("POST", f"{server}/v2/repository/models/{name}/load").raise_for_status()
    assert call("POST", f"{model}/infer", {"inputs": batch()["inputs"][:1]}).status_code == 200


def test_versions_are_paged(model: str) -> None:
    """`before` is exclusive, newest first."""
    for _ in range(3):
        call("POST", f"{model}/train", batch())
    found = call("GET", f"{model}/versions?limit=2&before=4").json()["versions"]
    assert [row["version"] for row in found] == ["3", "2"]
