"""What stock clients ask for beside infer: configuration, statistics, the V1 protocol, and bodies as they send them."""

import base64
from typing import Any

import numpy as np
import pytest

from convserve_client.pictures import png
from tests.service.calls import batch, call, tensor
from tests.service.specs import SIMPLE_CNN

X: dict[str, Any] = batch(3)["inputs"][0]


@pytest.fixture
def model(server: str, name: str) -> str:
    """The address of a new SimpleCNN."""
    url = f"{server}/v2/models/{name}"
    call("PUT", url, SIMPLE_CNN).raise_for_status()
    return url


def stats(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call("GET", f"{url}/stats").json()["model_stats"]
    return found


def test_the_configuration_agrees_with_the_metadata(model: str, name: str) -> None:
    """A client that takes the batch dimension off the metadata's shapes finds the configuration's dims."""
    config, metadata = call("GET", f"{model}/config").json(), call("GET", model).json()
    assert (config["name"], config["platform"]) == (name, metadata["platform"])
    assert config["max_batch_size"] > 0
    for here, there in ((config["input"], metadata["inputs"]), (config["output"], metadata["outputs"])):
        assert [entry["name"] for entry in here] == [entry["name"] for entry in there]
        assert [[-1, *entry["dims"]] for entry in here] == [entry["shape"] for entry in there]
        assert [entry["data_type"] for entry in here] == [f"TYPE_{entry['datatype']}" for entry in there]
    assert call("GET", f"{model}/versions/1/config").json() == config
    assert call("GET", f"{model}/versions/9/config").status_code == 404


def test_statistics_count_what_was_asked(model: str, name: str) -> None:
    """Two batches of 3 and one of 70 by infer, one of 2 by V1, two failures; the parts are no longer than the whole."""
    for _ in range(2):
        assert call("POST", f"{model}/infer", {"inputs": [X]}).status_code == 200
    assert call("POST", f"{model}/infer", {"inputs": batch(70)["inputs"][:1]}).status_code == 200
    v1 = model.replace("/v2/", "/v1/")
    assert call("POST", f"{v1}:predict", {"instances": np.zeros((2, 1, 4, 4)).tolist()}).status_code == 200
    assert call("POST", f"{model}/infer", {"inputs": []}).status_code == 400
    assert call("POST", f"{model}/infer", {"inputs": [X], "outputs": [{"name": "no-layer"}]}).status_code == 400
    (found,) = stats(model)
    assert (found["name"], found["version"]) == (name, "1")
    assert (found["inference_count"], found["execution_count"]) == (78, 4)
    durations = found["inference_stats"]
    counts = {part: duration["count"] for part, duration in durations.items()}
    computing = dict.fromkeys(("queue", "compute_input", "compute_infer", "compute_output"), 4)
    assert counts == {"success": 4, "fail": 2, **computing, "cache_hit": 0, "cache_miss": 0}
    assert 0 < sum(durations[part]["ns"] for part in computing) <= durations["success"]["ns"]
    sizes = {entry["batch_size"]: entry["compute_infer"]["count"] for entry in found["batch_stats"]}
    assert sizes == {2: 1, 3: 2}, "sizes above 64 that are no power of two are in the sums alone"
    assert stats(f"{model}/versions/1") == [found]


def test_statistics_are_by_version(model: str, server: str) -> None:
    """The newest is told though nobody asked it; an alias is its version; all models come together."""
    call("POST", f"{model}/infer", {"inputs": [X]}).raise_for_status()
    call("POST", f"{model}/train", batch()).raise_for_status()
    call("PUT", f"{model}/aliases/first", {"version": "1"}).raise_for_status()
    counts = {entry["version"]: entry["inference_count"] for entry in stats(model)}
    assert counts == {"1": 3, "2": 0}
    assert [entry["version"] for entry in stats(f"{model}/versions/first")] == ["1"]
    assert [entry for entry in stats(f"{server}/v2/models") if entry["name"] == model.rsplit("/", 1)[1]] == stats(model)
    call("POST", f"{server}/v2/repository/models/{model.rsplit('/', 1)[1]}/unload").raise_for_status()
    assert len(stats(model)) == 2, "an unloaded model keeps them"
    call("DELETE", model).raise_for_status()
    assert call("GET", f"{model}/stats").status_code == 404


def test_no_model_is_called_stats(server: str) -> None:
    """GET /v2/models/stats would not find it."""
    refused = call("PUT", f"{server}/v2/models/stats", SIMPLE_CNN)
    assert refused.status_code == 400
    assert "take another name" in refused.json()["error"]


def test_v1_predicts_what_infer_does(model: str) -> None:
    """Arrays [C,H,W] and [H,W], beside members that V1 clients add; a picture is what `predict` takes for it."""
    v1 = model.replace("/v2/", "/v1/")
    x = np.random.default_rng(0).random((2, 1, 4, 4), dtype=np.float32)
    sent = {"inputs": [tensor("x", x.ravel().tolist(), [2, 1, 4, 4], "FP32")]}
    logits = np.array(call("POST", f"{model}/infer", sent).json()["outputs"][0]["data"]).reshape(2, 2)
    body = {"signature_name": "serving_default", "instances": [x[0].tolist(), x[1, 0].tolist()]}
    reply = call("POST", f"{v1}:predict", body)
    assert np.array_equal(reply.json()["predictions"], logits)
    assert reply.headers["Convserve-Model-Version"] == "1"
    picture = png(np.arange(16, dtype=np.uint8).reshape(4, 4))
    body = {"instances": [{"b64": base64.b64encode(picture).decode()}]}
    (seen,) = call("POST", f"{v1}:predict", body).json()["predictions"]
    best = call("POST", f"{model}/predict", picture, Content_Type="image/png").json()["predictions"][0]["top"][0]
    assert np.argmax(seen) == best["index"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "lacks the member 'instances'"),
        ({"instances": []}, "instances"),
        ({"instances": [[[[0.0]]]]}, "the model needs"),
        ({"instances": [{"b64": "?"}]}, "not base64"),
        (b"[", "not JSON"),
    ],
)
def test_v1_says_what_does_not_fit(model: str, body: Any, says: str) -> None:
    refused = call("POST", f"{model.replace('/v2/', '/v1/')}:predict", body)
    assert (refused.status_code, says in refused.json()["error"]) == (400, True), refused.text


def test_v1_says_who_is_ready(server: str, model: str, name: str) -> None:
    """The server, the list of models, one of them; an unloaded one with 503, as KServe does."""
    v1 = f"{server}/v1/models"
    assert call("GET", f"{server}/").json() == {"status": "alive"}
    assert name in call("GET", v1).json()["models"]
    assert call("GET", f"{v1}/{name}").json() == {"name": name, "ready": True}
    call("POST", f"{server}/v2/repository/models/{name}/unload").raise_for_status()
    reply = call("GET", f"{v1}/{name}")
    assert (reply.status_code, reply.json()) == (503, {"name": name, "ready": False})
    assert call("POST", f"{v1}/{name}:predict", {"instances": [[[0.0] * 4] * 4]}).json()["code"] == "model_unloaded"
    assert call("GET", f"{v1}/no-such").status_code == 404


def test_the_index_lists_who_is_ready(server: str, model: str, name: str) -> None:
    """All of them to an empty body and to `{}`, only those that answer to `{"ready": true}`."""
    index = f"{server}/v2/repository/index"

    def listed(body: Any) -> bool:
        return name in [entry["name"] for entry in call("POST", index, body).json()]

    assert [listed(body) for body in (b"", {}, {"ready": True})] == [True, True, True]
    call("POST", f"{server}/v2/repository/models/{name}/unload").raise_for_status()
    assert [listed(body) for body in (b"", {}, {"ready": True})] == [True, True, False]
    assert call("POST", index, {"ready": 1}).status_code == 400


@pytest.mark.parametrize("body", [b"", {}, {"parameters": None}, {"parameters": {"unload_dependents": True}}])
def test_load_and_unload_take_what_stock_clients_send(server: str, model: str, name: str, body: Any) -> None:
    """There are no dependents, so that both answers to that are true."""
    for verb in ("unload", "load"):
        assert call("POST", f"{server}/v2/repository/models/{name}/{verb}", body).status_code == 200
    assert call("GET", f"{model}/ready").status_code == 200


@pytest.mark.parametrize("parameter", ["config", "file:1/model.onnx"])
def test_load_refuses_what_it_would_have_to_ignore(server: str, model: str, name: str, parameter: str) -> None:
    """Who brings another configuration or files is told where they go, and nothing is loaded."""
    load = f"{server}/v2/repository/models/{name}/load"
    call("POST", load.replace("/load", "/unload")).raise_for_status()
    refused = call("POST", load, {"parameters": {parameter: "{}"}})
    assert (refused.status_code, refused.json()["where"]) == (400, "parameters")
    assert f"/v2/models/{name}/weights" in refused.json()["error"]
    assert call("GET", f"{model}/ready").status_code == 400


def test_null_is_no_parameters(model: str) -> None:
    """As clients in Python and Java write members that are not there."""
    body = {"id": None, "parameters": None, "outputs": None, "inputs": [{**X, "parameters": None}]}
    assert call("POST", f"{model}/infer", body).status_code == 200


SHARED = {"shared_memory_region": "region", "shared_memory_byte_size": 64}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"inputs": [{"name": "x", "shape": [1, 1, 4, 4], "datatype": "FP32", "parameters": SHARED}]}, "inputs[0]"),
        ({"inputs": [X], "outputs": [{"name": "logits", "parameters": SHARED}]}, "outputs[0]"),
    ],
)
def test_shared_memory_is_refused(model: str, body: Any, where: str) -> None:
    """Never answered as if it had been written; registering a region is a 404 that Triton's client can show."""
    refused = call("POST", f"{model}/infer", body)
    assert (refused.status_code, refused.json()["where"]) == (400, f"{where}.parameters.shared_memory_region")
    region = f"{model.split('/v2/')[0]}/v2/systemsharedmemory/region/r/register"
    assert call("POST", region, {}).json()["code"] == "not_found"
