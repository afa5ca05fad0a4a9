"""Explanations over HTTP: tensors, pictures, heat maps."""

import io
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from convserve_client.explaining import ExplainOptions, Method
from convserve_model import METHODS, Engine, Network, Preprocess, explain, safetensors
from convserve_service.app import create_app
from convserve_service.settings import Settings
from convserve_wire.envelope import decode_reply, encode_request
from convserve_wire.messages import Explaining
from tests.model.answers import snapshot_of
from tests.service.calls import call, tensor
from tests.service.specs import SIMPLE_CNN

SPEC = {**SIMPLE_CNN, "preprocess": {"mean": 0.5, "std": 0.25}}
PIXELS = np.random.default_rng(3).integers(0, 256, (3, 1, 4, 4), np.uint8)
X = tensor("x", PIXELS.ravel().tolist(), [3, 1, 4, 4], "UINT8")
ROW = tensor("x", PIXELS[0].ravel().tolist(), [1, 1, 4, 4], "UINT8")
TARGET = tensor("target", [1, 0, 1], [3], "INT64")
OPTIONS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "input_x_gradient": {},
    "integrated_gradients": {"steps": 20, "baseline": [-0.25]},
    "smoothgrad": {"samples": 7, "noise": 0.25, "seed": 4},
    "grad_cam": {"layer": "conv"},
}


@pytest.fixture(scope="module")
def model(server: str) -> str:
    """Its address."""
    url = f"{server}/v2/models/explained"
    call("PUT", url, SPEC).raise_for_status()
    return url


@pytest.fixture(scope="module")
def subject(model: str) -> explain.Subject:
    """The same model without the service."""
    weights, _ = safetensors.deserialize(call("GET", f"{model}/weights").content)
    network = Network.from_dict(SPEC["architecture"])
    return explain.Subject(Engine(1), network, snapshot_of(network, weights, np.float32))


def picture(pixels: Any, format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


def outputs(reply: Any) -> dict[str, Any]:
    """By name, in their shapes."""
    return {
        output["name"]: np.array(output["data"], np.float32).reshape(output["shape"])
        for output in reply.json()["outputs"]
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("targeted", [False, True])
def test_tensors_are_the_librarys(method: str, targeted: bool, model: str, subject: explain.Subject) -> None:
    """In JSON and in binary, bit for bit; x as uint8 is normalized."""
    x = Preprocess.from_dict(SPEC["preprocess"], channels=1).normalize(PIXELS)
    target = np.array(TARGET["data"]) if targeted else None
    expected = explain.attributions(subject, explain.method(method, OPTIONS[method]), x, target)
    names = ["explanation", *(["completeness_error"] if method == "integrated_gradients" else [])]

    body = {"inputs": [X, TARGET] if targeted else [X], "method": method, "id": "seven", **OPTIONS[method]}
    reply = call("POST", f"{model}/explain", body)
    assert reply.status_code == 200, reply.text
    assert (reply.json()["id"], reply.json()["model_version"]) == ("seven", "1")
    assert reply.headers["Convserve-Model-Version"] == "1"
    found = outputs(reply)
    assert list(found) == names

    inputs = {"x": PIXELS, **({} if target is None else {"target": target})}
    data, length = encode_request(inputs, [*names, "target"], {"method": method, **OPTIONS[method]})
    raw = call("POST", f"{model}/versions/1/explain", data, Inference_Header_Content_Length=str(length))
    _, binary = decode_reply(raw.content, raw.headers["Inference-Header-Content-Length"])
    assert np.array_equal(binary.pop("target"), expected["target"])
    for name in names:
        assert np.array_equal(found[name], expected[name])
        assert np.array_equal(binary[name], expected[name])


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_is_explained_as_its_pixels_are(method: str, model: str) -> None:
    """Options and target from the query."""
    options = {key: value[0] if isinstance(value, list) else value for key, value in OPTIONS[method].items()}
    query = "&".join(f"{key}={value}" for key, value in {"method": method, "target": 1, **options}.items())
    reply = call("POST", f"{model}/explain?{query}", picture(PIXELS[0, 0]), Content_Type="image/png")
    target = {**TARGET, "shape": [1], "data": [1]}
    expected = call("POST", f"{model}/explain", {"inputs": [ROW, target], "method": method, **OPTIONS[method]})
    assert reply.json() == expected.json()


def test_a_jpeg_is_explained_too(model: str) -> None:
    """Of any size: it is resized as for predict."""
    data = picture(np.full((50, 60), 200, np.uint8), "JPEG")
    reply = call("POST", f"{model}/explain?method=saliency", data, Content_Type="image/jpeg")
    assert outputs(reply)["explanation"].shape == (1, 1, 4, 4)


ACCEPTS = [
    ("image/png", "image/png"),
    ("image/png, */*;q=0.5", "image/png"),
    ("image/png;q=0.5, application/json", "application/json"),
    ("application/json", "application/json"),
    ("*/*", "application/json"),
    ("text/html", "application/json"),
]


@pytest.mark.parametrize(("accept", "expected"), ACCEPTS)
def test_a_heat_map_is_for_who_would_rather_have_one(accept: str, expected: str, model: str) -> None:
    """By Accept; everybody else gets tensors."""
    reply = call("POST", f"{model}/explain", {"inputs": [ROW], "method": "saliency"}, Accept=accept)
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, expected)
    assert reply.headers["Convserve-Model-Version"] == "1"


@pytest.mark.parametrize("method", METHODS)
def test_the_heat_map_is_of_the_explanation(method: str, model: str) -> None:
    """280 pixels wide, the same of a picture as of its tensor; its strongest pixel is not grey."""
    options = "&".join(["seed=4"] if method == "smoothgrad" else [])
    address = f"{model}/explain?method={method}&{options}"
    drawn = call("POST", address, picture(PIXELS[0, 0]), Content_Type="image/png", Accept="image/png")
    body = {"inputs": [ROW], "method": method, **({"seed": 4} if options else {})}
    assert drawn.content == call("POST", f"{model}/explain", body, Accept="image/png").content
    image = np.asarray(Image.open(io.BytesIO(drawn.content))).astype(int)
    assert image.shape == (280, 280, 3)
    values = np.abs(outputs(call("POST", f"{model}/explain", body))["explanation"][0, 0])
    assert values.any()
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert np.ptp(image[70 * row, 70 * column]) > 60


def test_a_model_without_convolutions_or_a_picture(server: str, name: str) -> None:
    """No Grad-CAM without a layer to look at, no heat map of two channels; the others explain it."""
    layers = [{"type": "flatten"}, {"type": "linear", "name": "fc", "out_features": 2}]
    call("PUT", f"{server}/v2/models/{name}", {"architecture": {"input": [2, 3, 3], "layers": layers}})
    x = tensor("x", [0.5] * 18, [1, 2, 3, 3], "FP32")
    url = f"{server}/v2/models/{name}/explain"
    for options, accept, code, words in (
        ({"method": "grad_cam"}, "*/*", "does_not_fit", "no convolution"),
        ({"method": "grad_cam", "layer": "fc"}, "*/*", "does_not_fit", "height"),
        ({"method": "saliency"}, "image/png", "invalid_image", "2 channels"),
    ):
        reply = call("POST", url, {"inputs": [x], **options}, Accept=accept)
        assert (reply.status_code, reply.json()["code"]) == (400, code)
        assert words in reply.json()["error"]
    assert call("POST", url, {"inputs": [x], "method": "saliency"}).status_code == 200


def test_an_unloaded_model_explains_nothing(server: str, name: str) -> None:
    """As it answers nothing else."""
    call("PUT", f"{server}/v2/models/{name}", SPEC)
    call("POST", f"{server}/v2/repository/models/{name}/unload")
    reply = call("POST", f"{server}/v2/models/{name}/explain", {"inputs": [ROW], "method": "saliency"})
    assert (reply.status_code, reply.json()["code"]) == (400, "model_unloaded")


def test_an_explanation_that_is_not_finite(server: str, name: str) -> None:
    """JSON and colours have no number for it, binary tensors have."""
    url = f"{server}/v2/models/{name}"
    call("PUT", url, SPEC)
    weights, _ = safetensors.deserialize(call("GET", f"{url}/weights").content)
    huge = {key: np.full_like(array, 1e30) for key, array in weights.items()}
    call("PUT", f"{url}/weights", b"".join(safetensors.serialize(huge, {}))).raise_for_status()
    target = {**TARGET, "shape": [1], "data": [1]}
    body = {"inputs": [{**ROW, "data": [255] * 16}, target], "method": "saliency"}
    for accept in ("application/json", "image/png"):
        reply = call("POST", f"{url}/explain", body, Accept=accept)
        assert (reply.status_code, reply.json()["code"]) == (422, "non_finite_output")
    reply = call("POST", f"{url}/explain", {**body, "parameters": {"binary_data_output": True}})
    assert reply.status_code == 200
    _, found = decode_reply(reply.content, reply.headers["Inference-Header-Content-Length"])
    assert np.isinf(found["explanation"]).any()


def test_work_is_bounded(tmp_path: Path) -> None:
    """Rows times passes, and the time of a request: both are said, with what to do."""
    for settings, status, words in (
        (Settings(data_dir=tmp_path, threads=1, max_rows=40), 413, "50 passes each"),
        (Settings(data_dir=tmp_path, threads=1, request_seconds=1e-9), 503, "fewer rows, epochs or steps"),
    ):
        client = create_app(settings).test_client()
        client.put("/v2/models/m", json=SPEC)
        reply = client.post("/v2/models/m/explain", json={"inputs": [ROW], "method": "integrated_gradients"})
        assert reply.status_code == status
        assert words in reply.get_json()["error"]


def test_methods_and_options_are_the_same_everywhere() -> None:
    """In the library, on the wire and in the client."""
    methods = tuple(METHODS)
    assert get_args(Explaining.model_fields["method"].annotation) == methods == get_args(Method)
    options = {field.name for method in METHODS.values() for field in fields(method)}
    assert options == set(Explaining.model_fields) - {"method"} == set(ExplainOptions.__annotations__)
