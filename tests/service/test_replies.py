"""What the service answers is what it declares: every operation, for real."""

from typing import Any

import numpy as np
import pytest
import requests
from pydantic import ValidationError

from convserve_client.pictures import png
from convserve_service.openapi.examples import EXAMPLES
from convserve_wire.paths import fill
from tests.service.calls import TIMEOUT, safetensors
from tests.service.operations import OPERATIONS, conform
from tests.service.specs import SIMPLE_CNN, trained_with
from tests.service.stored import ended, file

BINARY_INFER: Any = {**EXAMPLES["infer"], "parameters": {"binary_data_output": True}}
BINARY_GRADIENTS: Any = {**EXAMPLES["gradients"], "parameters": {"binary_data_output": True}}
REGRESSION = trained_with(loss={"name": "mse"})
FLOATS = {"name": "y", "shape": [1, 2], "datatype": "FP32", "data": [0.5, -1]}
STEPS: list[tuple[str, dict[str, Any], int]] = [  # operation, what is sent with it, the status that it must have
    ("live", {}, 200),
    ("ready", {}, 200),
    ("server", {}, 200),
    ("root", {}, 200),
    ("root", {"headers": {"Accept": "text/html"}, "allow_redirects": False}, 302),
    ("all_statistics", {}, 200),
    ("metrics", {}, 200),
    ("metrics", {"headers": {"Accept": "application/openmetrics-text"}}, 200),
    ("docs", {}, 200),
    ("asset", {"parts": {"asset": "start.js"}}, 200),
    ("asset", {"parts": {"asset": "page.css"}}, 200),
    ("asset", {"parts": {"asset": "icon.svg"}}, 200),
    ("asset", {"parts": {"asset": "../assets.py"}}, 404),
    ("openapi", {}, 200),
    ("create", {"json": EXAMPLES["create"]}, 201),
    ("create", {"json": EXAMPLES["create"]}, 200),
    ("create", {"json": SIMPLE_CNN}, 409),
    ("create", {"json": {"architecture": {"input": [1, 4, 4], "layers": []}}, "parts": {"model": "none"}}, 400),
    ("metadata", {}, 200),
    ("metadata", {"parts": {"model": "No"}}, 400),
    ("metadata", {"parts": {"model": "none"}}, 404),
    ("metadata", {"version": "1"}, 200),
    ("metadata", {"version": "7"}, 404),
    ("architecture", {}, 200),
    ("config", {}, 200),
    ("model_ready", {}, 200),
    ("predict", {"json": EXAMPLES["predict"]}, 200),
    ("predict", {"data": png(np.zeros((4, 4), np.uint8)), "headers": {"Content-Type": "image/png"}}, 200),
    ("predict", {"files": {"image": png(np.zeros((4, 4), np.uint8))}, "params": {"top_k": "1"}}, 200),
    ("predict", {"data": b"?"}, 415),
    ("predict", {"json": EXAMPLES["predict"], "params": {"top_k": "0"}}, 400),
    ("infer", {"json": EXAMPLES["infer"]}, 200),
    ("infer", {"json": {**EXAMPLES["infer"], "id": "7"}, "version": "1"}, 200),
    ("infer", {"json": BINARY_INFER}, 200),
    ("infer", {"data": b"x", "headers": {"Content-Encoding": "br"}}, 415),
    ("explain", {"json": EXAMPLES["explain"]}, 200),
    ("explain", {"json": EXAMPLES["explain"], "headers": {"Accept": "image/png"}}, 200),
    ("explain", {"json": {**EXAMPLES["explain"], "parameters": {"binary_data_output": True}}}, 200),
    ("explain", {"data": png(np.zeros((4, 4), np.uint8)), "headers": {"Content-Type": "image/png"}}, 400),
    ("statistics", {}, 200),
    ("v1_index", {}, 200),
    ("v1_ready", {}, 200),
    ("v1_predict", {"json": EXAMPLES["v1_predict"]}, 200),
    ("evaluate", {"json": EXAMPLES["evaluate"]}, 200),
    ("gradients", {"json": EXAMPLES["gradients"]}, 200),
    ("gradients", {"json": BINARY_GRADIENTS}, 200),
    ("train", {"json": {**EXAMPLES["train"], "id": "8"}}, 200),
    ("train", {"json": EXAMPLES["train"], "headers": {"If-Match": "1"}}, 412),
    ("step", {"json": EXAMPLES["step"]}, 200),
    ("get_weights", {}, 200),
    ("get_weights", {"headers": {"If-Match": "1"}}, 400),
    ("put_weights", {"data": safetensors({}, b"")}, 400),
    ("rollback", {"json": EXAMPLES["rollback"]}, 200),
    ("set_alias", {"json": EXAMPLES["set_alias"], "parts": {"alias": "production"}}, 200),
    ("versions", {"params": {"limit": "3"}}, 200),
    ("versions", {"params": {"before": "many"}}, 400),
    ("delete_alias", {"parts": {"alias": "production"}}, 200),
    ("put_dataset", {"data": file(), "parts": {"dataset": "rows"}}, 201),
    ("get_dataset", {"parts": {"dataset": "rows"}}, 200),
    ("datasets", {}, 200),
    ("fit", {"json": EXAMPLES["fit"]}, 202),
    ("jobs", {}, 200),
    ("job", {"parts": {"job": "0"}}, 404),
    ("unload", {}, 200),
    ("unload", {"json": EXAMPLES["unload"]}, 200),
    ("model_ready", {}, 400),
    ("v1_ready", {}, 503),
    ("index", {}, 200),
    ("index", {"json": EXAMPLES["index"]}, 200),
    ("load", {"json": EXAMPLES["load"]}, 200),
]  # fmt: skip


def send(server: str, operation: str, model: str, parts: dict[str, str], **options: Any) -> requests.Response:
    """The operation with what is sent; paths name `model` unless another is given."""
    declared = OPERATIONS[operation]
    version = options.pop("version", None)
    path = fill(declared.path, version=version, **{"model": model, **parts})
    return requests.request(declared.method, server + path, timeout=TIMEOUT, **options)


def test_every_reply_is_what_is_declared(server: str, name: str) -> None:
    """Status, media type and body of every operation: answers, errors, files, raw tensors, events."""
    parts, tried = {"dataset": name}, set()

    def ask(operation: str, status: int, **sent: Any) -> requests.Response:
        tried.add(operation)
        reply = send(server, operation, name, {**sent.pop("parts", {}), **parts}, **sent)
        assert reply.status_code == status, (operation, reply.status_code, reply.text[:500])
        conform(OPERATIONS[operation], reply)
        return reply

    for operation, sent, status in STEPS:
        sent = {**sent, "json": {**sent["json"], "dataset": name}} if operation == "fit" else sent
        reply = ask(operation, status, **sent)
        if operation == "fit":
            job = {"job": reply.json()["job"]}
    ended(server, job["job"])
    ask("job", 200, parts=job)
    ask("events", 200, parts=job)
    ask("events", 204, parts=job, headers={"Last-Event-ID": "999999999"})
    ask("cancel", 200, parts=job)
    weights = ask("get_weights", 200)
    ask("get_weights", 304, headers={"If-None-Match": weights.headers["ETag"]})
    ask("put_weights", 200, data=weights.content)
    ask("delete_dataset", 200)
    ask("delete", 200)
    ask("create", 201, json=REGRESSION)
    ask("predict", 200, json=EXAMPLES["predict"])
    ask("evaluate", 200, json={"inputs": [EXAMPLES["infer"]["inputs"][0], FLOATS]})
    assert tried == set(OPERATIONS)


@pytest.mark.parametrize(("operation", "declared"), [("live", "ready"), ("docs", "live"), ("root", "live")])
def test_what_is_not_declared_is_noticed(server: str, operation: str, declared: str) -> None:
    """A member, a media type or a status of another operation."""
    reply = send(server, operation, "none", {}, allow_redirects=False)
    conform(OPERATIONS[operation], reply)
    with pytest.raises((AssertionError, ValidationError)):
        conform(OPERATIONS[declared], reply)


@pytest.mark.parametrize("verb", ["predict", "evaluate", "infer"])
def test_what_is_not_finite_is_never_sent_as_json(server: str, name: str, verb: str) -> None:
    """Logits that overflow float32 are a 422 that says so, and no null."""
    layers = [
        {"type": "flatten"},
        {"type": "linear", "name": "a", "out_features": 2, "bias": False},
        {"type": "linear", "name": "b", "out_features": 2, "bias": False},
    ]
    spec = {"architecture": {"input": [1, 1, 1], "layers": layers}}
    assert send(server, "create", name, {}, json=spec).status_code == 201
    header = {
        "a.weight": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
        "b.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [8, 24]},
    }
    huge = np.full(6, 1e38, np.float32)
    put = send(server, "put_weights", name, {}, data=safetensors(header, huge.tobytes()))
    assert put.status_code == 200, put.text
    x = {"name": "x", "shape": [1, 1, 1, 1], "datatype": "FP32", "data": [3e38]}
    y = {"name": "y", "shape": [1], "datatype": "INT64", "data": [0]}
    body = {"instances": [[[3e38]]]} if verb == "predict" else {"inputs": [x, y] if verb == "evaluate" else [x]}
    reply = send(server, verb, name, {}, json=body)
    assert (reply.status_code, reply.json().get("code")) == (422, "non_finite_output"), reply.text
    conform(OPERATIONS[verb], reply)
