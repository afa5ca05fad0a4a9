"""Every limit holds before what it limits is there: one row each, on the application itself."""

import gzip
import io
import json
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from convserve_service.app import create_app
from convserve_service.errors import Busy, LimitError
from convserve_service.room import SMALL, Room
from convserve_service.settings import Settings
from convserve_wire.errors import TooLarge
from convserve_wire.messages import MAX_VALUES, InferRequest, parse
from tests.service.calls import batch, safetensors, tensor
from tests.service.specs import SIMPLE_CNN

MIB = 1 << 20
X = tensor("x", [0.0] * 16, [1, 1, 4, 4], "FP32")
WIDE = {  # 64 x 64 pixels in, as many numbers after each layer
    "architecture": {
        "input": [1, 64, 64],
        "layers": [
            {"type": "relu", "name": "all"}, {"type": "flatten"}, {"type": "linear", "name": "fc", "out_features": 300},
        ],
    }
}  # fmt: skip
NORMAL = {
    "architecture": {
        "input": [1, 64, 64],
        "layers": [
            {"type": "conv2d", "out_channels": 32, "kernel_size": 3, "padding": 1}, {"type": "batch_norm2d"},
            {"type": "relu"}, {"type": "global_avg_pool"}, {"type": "flatten"}, {"type": "linear", "out_features": 2},
        ],
    }
}  # fmt: skip


def app(folder: Path, **limits: Any) -> FlaskClient:
    """An application with these limits and the models `m`, `wide` and `normal`."""
    client = create_app(Settings(data_dir=folder, threads=1, **limits)).test_client()
    for name, spec in (("m", SIMPLE_CNN), ("wide", WIDE), ("normal", NORMAL)):
        assert client.put(f"/v2/models/{name}", json=spec).status_code in (200, 201)
    return client


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    return app(tmp_path_factory.mktemp("limits"), max_reply=MIB, max_rows=2000, max_memory=256 * MIB)


def rows(n: int, *, outputs: Any = None, **options: Any) -> tuple[bytes, dict[str, str]]:
    """A binary body with n rows x and y of `wide`."""
    x, y = np.zeros((n, 1, 64, 64), np.uint8), np.zeros(n, np.uint8)
    inputs = [
        {"name": name, "shape": list(a.shape), "datatype": "UINT8", "parameters": {"binary_data_size": a.nbytes}}
        for name, a in (("x", x), ("y", y))
    ]
    header = json.dumps({"inputs": inputs, **({"outputs": outputs} if outputs else {}), **options}).encode()
    return header + x.tobytes() + y.tobytes(), {"Inference-Header-Content-Length": str(len(header))}


def only_x(n: int, **options: Any) -> tuple[bytes, dict[str, str]]:
    body, headers = rows(n, **options)
    length = int(headers["Inference-Header-Content-Length"])
    header = json.loads(body[:length])
    header["inputs"] = header["inputs"][:1]
    text = json.dumps(header).encode()
    return text + body[length:-n], {"Inference-Header-Content-Length": str(len(text))}


def said(body: Any) -> tuple[bytes, dict[str, str]]:
    return (body if isinstance(body, bytes) else json.dumps(body).encode()), {}


def parts(count: int) -> tuple[bytes, dict[str, str]]:
    part = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\nx\r\n'
    return part * count + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


def layers(*listed: dict[str, Any], size: int = 4) -> tuple[bytes, dict[str, str]]:
    end = ({"type": "flatten"}, {"type": "linear", "out_features": 2})
    return said({"architecture": {"input": [1, size, size], "layers": [*listed, *end]}})


CONV = {"type": "conv2d", "out_channels": 2, "kernel_size": 3}
BINARY = {"name": "all", "parameters": {"binary_data": True}}
DEEP = b'{"inputs":[],"parameters":{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}}"
RAW = b'{"inputs":[{"name":"x","shape":[4000001],"datatype":"BYTES","parameters":{"binary_data_size":16000004}}]}'

# method, path, (body, headers), status, code, words of the message
ROWS: dict[str, tuple[str, str, tuple[bytes, dict[str, str]], int, str, str]] = {
    "rows": ("POST", "wide/infer", only_x(2001), 413, "too_large", "2001 rows, but one request may have 2000"),
    "depth of JSON": ("POST", "m/infer", said(DEEP), 400, "invalid_request", "nested deeper than 190"),
    "inputs": ("POST", "m/infer", said({"inputs": [X] * 10_001}), 400, "invalid_request", "at most 10000 items"),
    "outputs": (
        "POST",
        "m/infer",
        said({"inputs": [X], "outputs": [{"name": "a"}] * 10_001}),
        400,
        "invalid_request",
        "at most 10000 items",
    ),
    "a name": ("POST", "m/infer", said({"inputs": [{**X, "name": "n" * 129}]}), 400, "invalid_request", "128 char"),
    "an id": ("POST", "m/infer", said({"inputs": [X], "id": "n" * 257}), 400, "invalid_request", "256 characters"),
    "axes": ("POST", "m/infer", said({"inputs": [{**X, "shape": [1] * 9}]}), 400, "invalid_tensor", "at most 8"),
    "emptiness": (
        "POST",
        "m/infer",
        said({"inputs": [{**X, "shape": [0, 1 << 40, 1 << 40], "data": []}]}),
        400,
        "invalid_tensor",
        "small sizes",
    ),
    "texts": (
        "POST",
        "m/infer",
        (RAW + bytes(16_000_004), {"Inference-Header-Content-Length": str(len(RAW))}),
        400,
        "invalid_tensor",
        "at most 4000000",
    ),
    "epochs": ("POST", "m/train", said(batch(epochs=1001)), 400, "invalid_request", "1000"),
    "parts": ("POST", "m/predict", parts(1001), 413, "too_large", ""),
    "activations as binary": ("POST", "wide/infer", only_x(65, outputs=[BINARY]), 413, "too_large", "1 MiB"),
    "activations as JSON": (
        "POST",
        "wide/infer",
        only_x(17, outputs=[{"name": "all"}]),
        413,
        "too_large",
        "binary_data",
    ),
    "grad/x": ("POST", "wide/gradients", rows(17, outputs=[{"name": "grad/x"}]), 413, "too_large", "binary_data"),
    "gradients of parameters": ("POST", "wide/gradients", rows(1), 413, "too_large", "binary_data"),
    "classes": (
        "POST",
        "wide/infer",
        only_x(60, outputs=[{"name": "logits", "parameters": {"classification": 300}}]),
        413,
        "too_large",
        "fewer rows",
    ),
    "memory of a step": ("POST", "normal/train", rows(200), 413, "too_large", "200 rows of this network at once"),
    "memory of a gradient": (
        "POST",
        "normal/gradients",
        rows(300, mode="train"),
        413,
        "too_large",
        "300 rows of this network at once",
    ),
    "padding": ("PUT", "new", layers({**CONV, "padding": 5000, "stride": 5000}), 400, "does_not_fit", "activations"),
    "a kernel": (
        "PUT",
        "new",
        layers({**CONV, "kernel_size": 1000, "padding": 600}),
        400,
        "does_not_fit",
        "multiplications",
    ),
    "a pool": (
        "PUT",
        "new",
        layers({"type": "max_pool2d", "kernel_size": 999, "stride": 1, "padding": 499}, size=1000),
        400,
        "does_not_fit",
        "multiplications",
    ),
    "layers": ("PUT", "new", layers(*[{"type": "relu"}] * 999), 400, "invalid_request", "at most 1000"),
    "channels": ("PUT", "new", layers({**CONV, "out_channels": 10**400}), 400, "does_not_fit", "at most"),
    "a layer's name": ("PUT", "new", layers({**CONV, "name": "n" * 65}), 400, "invalid_request", "64 characters"),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_limit_holds(client: FlaskClient, row: tuple[str, str, tuple[bytes, dict[str, str]], int, str, str]) -> None:
    """Status, code and words; no more memory is taken than a few times the body."""
    method, path, (body, headers), status, code, words = row
    tracemalloc.start()
    reply = client.open(f"/v2/models/{path}", method=method, data=body, headers=headers, buffered=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (reply.status_code, reply.json["code"]) == (status, code), reply.json
    assert words in reply.json["error"]
    assert len(reply.json["error"]) < 400
    assert peak < 12 * len(body) + 8 * MIB


JUST: dict[str, tuple[str, str, tuple[bytes, dict[str, str]]]] = {
    "rows": ("POST", "wide/infer", only_x(2000, outputs=[{"name": "fc", "parameters": {"binary_data": True}}])),
    "activations as binary": ("POST", "wide/infer", only_x(64, outputs=[BINARY])),
    "activations as JSON": ("POST", "wide/infer", only_x(16, outputs=[{"name": "all"}])),
    "grad/x": ("POST", "wide/gradients", rows(16, outputs=[{"name": "grad/x"}])),
    "classes": (
        "POST",
        "wide/infer",
        only_x(40, outputs=[{"name": "logits", "parameters": {"classification": 300}}]),
    ),
    "memory": ("POST", "normal/train", rows(20)),
    "depth": ("POST", "m/infer", said({"inputs": [X], "parameters": {"a": json.loads("[" * 180 + "]" * 180)}})),
    "a name": ("POST", "m/infer", said({"inputs": [X], "id": "n" * 256})),
}


@pytest.mark.parametrize("row", JUST.values(), ids=JUST)
def test_what_is_within_a_limit_is_answered(tmp_path: Path, row: tuple[str, str, tuple[bytes, dict[str, str]]]) -> None:
    """The largest that is, or nearly."""
    method, path, (body, headers) = row
    limited = app(tmp_path, max_reply=3 * MIB if "rows" in path or "fc" in str(body[:300]) else MIB, max_rows=2000)
    reply = limited.open(f"/v2/models/{path}", method=method, data=body, headers=headers, buffered=True)
    assert reply.status_code == 200, reply.json
    assert len(reply.data) < 3 * MIB


def test_a_model_has_at_most_so_many_classes_and_labels_in_a_reply(tmp_path: Path) -> None:
    """predict with top_k 300: twenty pictures fit, forty do not."""
    limited = app(tmp_path, max_reply=MIB)
    for count, status in ((20, 200), (80, 413)):
        instances = [[[0.0] * 64] * 64] * count
        reply = limited.post("/v2/models/wide/predict?top_k=300", json={"instances": instances})
        assert reply.status_code == status, reply.json
        assert len(reply.data) < MIB


@pytest.mark.parametrize("unit", [b"0,", b"[],", b"{},", b"[0],", b'"a",'])
def test_json_holds_at_most_so_many_values(unit: bytes) -> None:
    """Whatever they are, they are counted before they are made."""
    body = (
        b'{"inputs":[],"parameters":{"a":[' + unit * (MAX_VALUES // sum(map(unit.count, (b",", b"[", b"{")))) + b"0]}}"
    )
    tracemalloc.start()
    with pytest.raises(TooLarge, match="binary"):
        parse(InferRequest, body)
    assert tracemalloc.get_traced_memory()[1] < len(body) + MIB
    tracemalloc.stop()


VERBS: dict[str, tuple[str, Any]] = {
    "infer": ("m/infer", {"inputs": [X]}),
    "predict": ("m/predict", {"instances": [[[0.0] * 4] * 4]}),
    "gradients": ("m/gradients", batch()),
    "evaluate": ("m/evaluate", batch()),
    "train": ("m/train", batch()),
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_computes_has_a_deadline(tmp_path: Path, verb: str) -> None:
    """503 that says so, and nothing is changed; the next request is answered."""
    limited = app(tmp_path, request_seconds=1e-9)
    path, body = VERBS[verb]
    reply = limited.post(f"/v2/models/{path}", json=body)
    assert (reply.status_code, reply.json["code"]) == (503, "deadline_exceeded")
    assert reply.headers["Retry-After"] == "1"
    assert len(limited.get("/v2/models/m/versions").json["versions"]) == 1


def test_requests_share_the_memory_of_a_worker() -> None:
    """What others hold is refused for now, what nobody can have for good; what is small always passes."""
    room = Room(100 * MIB)
    held = room.take(60 * MIB, "this")
    with pytest.raises(Busy, match="repeat"):
        room.take(60 * MIB, "this")
    with pytest.raises(LimitError, match=r"about 101 MiB of memory, but this server gives 100"):
        room.take(101 * MIB, "this")
    assert room.take(SMALL, "this") == 0
    other = room.take(40 * MIB, "this")
    room.give(held)
    room.give(other)
    assert room.take(100 * MIB, "this") == 100 * MIB


@pytest.mark.parametrize("how", ["plain", "gzip", "chunks"])
def test_a_body_is_weighed_as_it_is_decoded(tmp_path: Path, how: str) -> None:
    """2 MiB of JSON may become 100 MiB of values, however they come; as much of a file does not."""
    limited = app(tmp_path, max_memory=64 * MIB)
    text = b'{"inputs":[],"parameters":{"a":[' + b"0.5," * (MIB // 2) + b"0]}}"
    sent: dict[str, Any] = {"data": text}
    if how == "gzip":
        sent = {"data": gzip.compress(text), "headers": {"Content-Encoding": "gzip"}}
    if how == "chunks":
        sent = {"input_stream": io.BytesIO(text), "environ_overrides": {"wsgi.input_terminated": True}}
    refused = limited.post("/v2/models/m/infer", buffered=True, **sent)
    assert (refused.status_code, refused.json["code"]) == (413, "too_large")
    assert "the body would take about" in refused.json["error"]
    assert limited.put("/v2/datasets/d", data=dataset(MIB), buffered=True).status_code == 201


def test_memory_is_given_back_whatever_happens(tmp_path: Path) -> None:
    """After answers, refusals and failures, one by one and eight at once, a request of nearly all is let in."""
    limited = app(tmp_path, max_memory=64 * MIB)
    body, headers = rows(20)

    def many() -> None:
        own = limited.application.test_client()
        for _ in range(3):
            for path in ("normal/train", "wide/evaluate", "wide/nothing", "nobody/train", "m/train"):
                own.post(f"/v2/models/{path}", data=body, headers=headers, buffered=True)
            own.post("/v2/models/m/infer", data=bytes(MIB), buffered=True)

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limited.post("/v2/models/normal/train", data=body, headers=headers).status_code == 200


def dataset(size: int) -> bytes:
    x, y = np.zeros((size, 1, 1, 1), np.uint8), np.zeros(size, np.uint8)
    header = {
        name: {"dtype": "U8", "shape": list(a.shape), "data_offsets": [at, at + size]}
        for name, a, at in (("x", x, 0), ("y", y, size))
    }
    return safetensors(header, bytes(2 * size))


def test_a_store_holds_at_most_so_many_bytes(tmp_path: Path) -> None:
    """What does not fit is 413 and leaves no file; when something is deleted, there is room again."""
    limited = app(tmp_path, max_store=8 * MIB)
    assert limited.put("/v2/datasets/a", data=dataset(MIB)).status_code == 201
    before = sorted((tmp_path / "blobs").iterdir())
    refused = limited.put("/v2/datasets/b", data=dataset(3 * MIB // 2))
    assert (refused.status_code, refused.json["code"]) == (413, "too_large")
    assert "delete" in refused.json["error"]
    assert sorted((tmp_path / "blobs").iterdir()) == before
    assert limited.delete("/v2/datasets/a").status_code == 200
    assert limited.put("/v2/datasets/b", data=dataset(3 * MIB // 2)).status_code == 201


def test_records_and_history_have_at_most_so_many_bytes(tmp_path: Path) -> None:
    """A catalog of 1 MiB: writers get 503 when it is full, and readers go on."""
    limited = app(tmp_path, max_catalog=MIB)
    statuses = []
    for number in range(3000):
        key = {"Idempotency-Key": f"{number:0255}"}
        statuses.append(limited.put("/v2/models/m/aliases/a", json={"version": "1"}, headers=key).status_code)
        if statuses[-1] != 200:
            break
    assert statuses[-1] == 503
    assert len(statuses) > 100
    assert (tmp_path / "catalog.sqlite").stat().st_size <= MIB
    assert limited.post("/v2/models/m/infer", json={"inputs": [X]}).status_code == 200


SETTINGS: dict[str, Callable[[FlaskClient], Any]] = {
    "max_models": lambda client: client.put("/v2/models/one-more", json=SIMPLE_CNN),
    "max_datasets": lambda client: [client.put(f"/v2/datasets/d{i}", data=dataset(1)) for i in range(4)][-1],
}


@pytest.mark.parametrize("name", SETTINGS)
def test_there_are_at_most_so_many(tmp_path: Path, name: str) -> None:
    """Three of them; the fourth is 413."""
    refused = SETTINGS[name](app(tmp_path, **{name: 3}))
    assert (refused.status_code, refused.json["code"]) == (413, "too_large")
    assert "delete one first" in refused.json["error"]


def test_a_job_needs_no_more_memory_than_there_is(tmp_path: Path) -> None:
    """What its steps would take is known before it is queued."""
    limited = app(tmp_path, max_memory=64 * MIB)
    x = np.zeros((200, 1, 64, 64), np.uint8)
    header = {
        "x": {"dtype": "U8", "shape": list(x.shape), "data_offsets": [0, x.nbytes]},
        "y": {"dtype": "U8", "shape": [200], "data_offsets": [x.nbytes, x.nbytes + 200]},
    }
    limited.put("/v2/datasets/d", data=safetensors(header, x.tobytes() + bytes(200)))
    for size, status in ((20, 202), (200, 413)):
        reply = limited.post("/v2/models/normal/fit", json={"dataset": "d", "batch_size": size})
        assert reply.status_code == status, reply.json
