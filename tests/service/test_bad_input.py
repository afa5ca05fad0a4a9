# ruff: noqa: E501  (a table reads best with one row a line)
"""Bad input gets a clear error and changes nothing: one row each."""

import gzip
import io
import json
import zlib
from typing import Any

import pytest
from PIL import Image

from tests.service.calls import batch, call, safetensors, tensor, versions
from tests.service.specs import SIMPLE_CNN

X = tensor("x", [0.0] * 16, [1, 1, 4, 4], "FP32")
Y = tensor("y", [1], [1], "INT64")


def png(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("L", size).save(file, "PNG")
    return file.getvalue()


def weights(**changes: Any) -> bytes:
    """SimpleCNN's weights file with tensors changed, or left out where None."""
    shapes: dict[str, Any] = {"conv.weight": [2, 1, 3, 3], "conv.bias": [2], "fc.weight": [2, 8], "fc.bias": [2]}
    shapes.update({name.replace("__", "."): shape for name, shape in changes.items()})
    header, at = {}, 0
    for name, shape in shapes.items():
        if shape is not None:
            size = 4
            for length in shape:
                size *= length
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
            at += size
    return safetensors(header, bytes(at))


def with_layer(*layers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"architecture": {"input": [1, 28, 28], "layers": list(layers)}, **changes}


def simple(**changes: Any) -> dict[str, Any]:
    return {**SIMPLE_CNN, **changes}


CONV = {"type": "conv2d", "out_channels": 2, "kernel_size": 3}
FC = {"type": "linear", "out_features": 10}
NAN = b'{"inputs":[{"name":"x","shape":[1,1,4,4],"datatype":"FP32","data":[NaN' + b",0" * 15 + b"]}]}"
BINARY_NAN = b'{"inputs":[{"name":"x","shape":[1,1,4,4],"datatype":"FP32","parameters":{"binary_data_size":64}}]}'
TRAIN = json.dumps(batch()).encode()
NEW = "{new}"

# verb, body, headers, status, code, words of the message
ROWS: dict[str, tuple[str, Any, dict[str, str], int, str, str]] = {
    "wrong shape": ("POST infer", {"inputs": [{**X, "shape": [1, 4, 4]}]}, {}, 400, "does_not_fit", "[N, 1, 4, 4]"),
    "shape and data differ": ("POST infer", {"inputs": [{**X, "shape": [2, 1, 4, 4]}]}, {}, 400, "invalid_tensor", "32"),
    "negative size": ("POST infer", {"inputs": [{**X, "shape": [-1, 1, 4, 4]}]}, {}, 400, "invalid_tensor", "negative"),
    "unknown datatype": ("POST infer", {"inputs": [{**X, "datatype": "FP8"}]}, {}, 400, "invalid_tensor", "FP32"),
    "integers as x": ("POST infer", {"inputs": [tensor("x", [0] * 16, [1, 1, 4, 4], "INT64")]}, {}, 400, "does_not_fit", "uint8"),
    "text in floats": ("POST infer", {"inputs": [{**X, "data": ["a"] * 16}]}, {}, 400, "invalid_tensor", "element 0"),
    "boolean in floats": ("POST infer", {"inputs": [{**X, "data": [True] * 16}]}, {}, 400, "invalid_tensor", "bool"),
    "null in floats": ("POST infer", {"inputs": [{**X, "data": [None] * 16}]}, {}, 400, "invalid_tensor", "null"),
    "an integer that no float holds": ("POST infer", {"inputs": [{**X, "data": [0.5] * 15 + [10**400]}]}, {}, 400, "invalid_tensor", "too large"),
    "ragged": ("POST infer", {"inputs": [{**X, "data": [[[[0] * 4] * 3 + [[0] * 3]]]}]}, {}, 400, "invalid_tensor", "ragged"),
    "NaN in JSON": ("POST infer", NAN, {}, 400, "invalid_tensor", "element 0"),
    "NaN in binary": (
        "POST infer", BINARY_NAN + b"\0\0\xc0\x7f" * 16, {"Inference_Header_Content_Length": str(len(BINARY_NAN))},
        400, "invalid_tensor", "element 0",
    ),
    "overflow": ("POST infer", {"inputs": [{**X, "data": [1e39] * 16}]}, {}, 400, "invalid_tensor", "too large"),
    "FP64 overflow": ("POST infer", {"inputs": [{**X, "datatype": "FP64", "data": [1e39] * 16}]}, {}, 400, "does_not_fit", "float32"),
    "wraps around": ("POST infer", {"inputs": [{**X, "datatype": "UINT8", "data": [256] * 16}]}, {}, 400, "invalid_tensor", "255"),
    "an integer beyond floats": ("POST infer", {"inputs": [tensor("x", [10**400] * 16, [1, 1, 4, 4], "INT64")]}, {}, 400, "invalid_tensor", "holds"),
    "a size beside 0 that NumPy cannot count": ("POST infer", {"inputs": [{**X, "shape": [0, 1 << 63], "data": []}]}, {}, 400, "invalid_tensor", "small sizes"),
    "sizes beside 0 that NumPy cannot count": ("POST infer", {"inputs": [{**X, "shape": [1 << 40, 0, 1 << 40], "data": []}]}, {}, 400, "invalid_tensor", "small sizes"),
    "bytes of such sizes": ("POST infer", {"inputs": [{"name": "x", "datatype": "FP32", "shape": [0, 10**400], "parameters": {"binary_data_size": 0}}]}, {}, 400, "invalid_tensor", "small sizes"),
    "texts of such sizes": ("POST infer", {"inputs": [{**X, "datatype": "BYTES", "shape": [0, 1 << 63], "data": []}]}, {}, 400, "invalid_tensor", "small sizes"),
    "empty batch": ("POST infer", {"inputs": [{**X, "shape": [0, 1, 4, 4], "data": []}]}, {}, 400, "does_not_fit", "at least 1"),
    "too few bytes": (
        "POST infer", BINARY_NAN + bytes(60), {"Inference_Header_Content_Length": str(len(BINARY_NAN))},
        400, "invalid_request", "60 bytes",
    ),
    "bytes left over": (
        "POST infer", BINARY_NAN + bytes(65), {"Inference_Header_Content_Length": str(len(BINARY_NAN))},
        400, "invalid_request", "1 bytes are left over",
    ),
    "header outside the body": ("POST infer", b"{}", {"Inference_Header_Content_Length": "99"}, 400, "invalid_request", "2 bytes"),
    "header length no number": ("POST infer", b"{}", {"Inference_Header_Content_Length": "-1"}, 400, "invalid_request", "size"),
    "raw of a wrong size": ("POST infer", bytes(17), {"Inference_Header_Content_Length": "0"}, 400, "invalid_tensor", "64 (FP32)"),
    "not JSON": ("POST infer", b"{", {}, 400, "invalid_request", "not JSON"),
    "JSON but no object": ("POST infer", b"[1]", {}, 400, "invalid_request", "object"),
    "no body": ("POST infer", b"", {}, 400, "invalid_request", "JSON"),
    "no inputs": ("POST infer", {}, {}, 400, "invalid_request", "inputs"),
    "x twice": ("POST infer", {"inputs": [X, X]}, {}, 400, "invalid_request", "twice"),
    "another input": ("POST infer", {"inputs": [X, {**X, "name": "z"}]}, {}, 400, "invalid_request", "'z'"),
    "unknown output": ("POST infer", {"inputs": [X], "outputs": [{"name": "nope"}]}, {}, 400, "does_not_fit", "conv"),
    "too many classes": (
        "POST infer", {"inputs": [X], "outputs": [{"name": "logits", "parameters": {"classification": 3}}]}, {},
        400, "invalid_request", "2 classes",
    ),
    "too large a body": ("POST infer", bytes((64 << 20) + 1), {}, 413, "too_large", "fewer rows"),
    "a gzip bomb": ("POST infer", gzip.compress(bytes(65 << 20)), {"Content_Encoding": "gzip"}, 413, "too_large", "decompressed"),
    "a cut gzip": ("POST infer", gzip.compress(b"{}")[:-4], {"Content_Encoding": "gzip"}, 400, "invalid_request", "cut off"),
    "two deflate streams": ("POST infer", zlib.compress(b"{}") * 2, {"Content_Encoding": "deflate"}, 400, "invalid_request", "one stream"),
    "brotli": ("POST infer", b"x", {"Content_Encoding": "br"}, 415, "unsupported_encoding", "gzip"),
    "a label out of range": ("POST train", batch(inputs=[X, {**Y, "data": [2]}]), {}, 400, "does_not_fit", "y[0] is 2"),
    "a negative label": ("POST train", batch(inputs=[X, {**Y, "data": [-1]}]), {}, 400, "does_not_fit", "from 0 to 1"),
    "too few labels": ("POST train", batch(inputs=[{**X, "shape": [2, 1, 4, 4], "data": [0.0] * 32}, Y]), {}, 400, "does_not_fit", "[2]"),
    "no labels": ("POST train", batch(inputs=[X]), {}, 400, "invalid_request", "'y' is missing"),
    "an unknown option": ("POST train", batch(epoch=2), {}, 400, "invalid_request", "'epoch'"),
    "an unknown tensor member": ("POST train", {"inputs": [{**X, "stride": 1}, Y]}, {}, 400, "invalid_request", "stride"),
    "epochs as text": ("POST train", batch(epochs="2"), {}, 400, "invalid_request", "integer"),
    "no epochs": ("POST train", batch(epochs=0), {}, 400, "invalid_request", "epochs"),
    "another optimizer": ("POST train", batch(optimizer={"name": "adam"}), {}, 400, "does_not_fit", "family"),
    "a negative rate": ("POST train", batch(optimizer={"learning_rate": -1}), {}, 400, "does_not_fit", "learning_rate is -1"),
    "a rate beyond floats": ("POST train", batch(optimizer={"learning_rate": 10**400}), {}, 400, "does_not_fit", "learning_rate"),
    "a whole number that no reply can hold": ("POST train", batch(optimizer={"learning_rate": 10**30}), {}, 400, "does_not_fit", "9007199254740992"),
    "a batch that no reply can hold": ("POST train", batch(batch_size=10**30), {}, 400, "invalid_request", "batch_size"),
    "a step to infinity": ("POST train", batch(optimizer={"learning_rate": 1e38}, epochs=5), {}, 422, "non_finite_step", "smaller learning rate"),
    "an If-Match that is none": ("POST train", TRAIN, {"If_Match": "*"}, 400, "invalid_request", "one version number"),
    "an If-Match of the past": ("POST train", TRAIN, {"If_Match": '"7"'}, 412, "version_conflict", "newest version"),
    "an unreadable key": ("POST train", TRAIN, {"Idempotency_Key": "a b"}, 400, "invalid_request", "ASCII"),
    "a step without gradients": ("POST step", {"inputs": []}, {}, 400, "does_not_fit", "conv.weight"),
    "a step of an unknown parameter": ("POST step", {"inputs": [{**X, "name": "foo"}]}, {}, 400, "invalid_request", "grad/"),
    "a cotangent and y": ("POST gradients", {"inputs": [X, Y, {**X, "name": "cotangent"}]}, {}, 400, "invalid_request", "'y'"),
    "a gradient of nothing": ("POST gradients", {"inputs": [X, Y], "outputs": [{"name": "grad/no"}]}, {}, 400, "does_not_fit", "grad/no"),
    "no method": ("POST explain", {"inputs": [X]}, {}, 400, "invalid_request", "'method'"),
    "no such method": ("POST explain", {"inputs": [X], "method": "lime"}, {}, 400, "invalid_request", "grad_cam"),
    "an option of another method": ("POST explain", {"inputs": [X], "method": "smoothgrad", "steps": 3}, {}, 400, "does_not_fit", "samples, noise, seed"),
    "too many steps": ("POST explain", {"inputs": [X], "method": "integrated_gradients", "steps": 1001}, {}, 400, "invalid_request", "1000"),
    "steps as text": ("POST explain", {"inputs": [X], "method": "integrated_gradients", "steps": "5"}, {}, 400, "invalid_request", "integer"),
    "too much noise": ("POST explain", {"inputs": [X], "method": "smoothgrad", "noise": 2}, {}, 400, "invalid_request", "noise"),
    "a baseline of two channels": ("POST explain", {"inputs": [X], "method": "integrated_gradients", "baseline": [0, 0]}, {}, 400, "does_not_fit", "1 of them"),
    "a baseline that is NaN": ("POST explain?method=integrated_gradients&baseline=nan", png((4, 4)), {"Content_Type": "image/png"}, 400, "does_not_fit", "finite"),
    "a layer that is not there": ("POST explain", {"inputs": [X], "method": "grad_cam", "layer": "no"}, {}, 400, "does_not_fit", "conv"),
    "a target out of range": ("POST explain", {"inputs": [X, {**Y, "name": "target", "data": [2]}], "method": "saliency"}, {}, 400, "does_not_fit", "target[0] is 2"),
    "a target for no row": ("POST explain", {"inputs": [X, {**Y, "name": "target", "shape": [2], "data": [0, 0]}], "method": "saliency"}, {}, 400, "does_not_fit", "[1]"),
    "a target as probabilities": ("POST explain", {"inputs": [X, {**Y, "name": "target", "datatype": "FP32"}], "method": "saliency"}, {}, 400, "does_not_fit", "integers"),
    "labels instead of a target": ("POST explain", {"inputs": [X, Y], "method": "saliency"}, {}, 400, "invalid_request", "x, target"),
    "NaN to explain": ("POST explain", NAN.replace(b'"inputs"', b'"method":"saliency","inputs"'), {}, 400, "invalid_tensor", "element 0"),
    "no row to explain": ("POST explain", {"inputs": [{**X, "shape": [], "data": [0]}], "method": "saliency"}, {}, 400, "does_not_fit", "[N, 1, 4, 4]"),
    "an output of another method": ("POST explain", {"inputs": [X], "method": "saliency", "outputs": [{"name": "completeness_error"}]}, {}, 400, "invalid_request", "explanation, target"),
    "more passes than a request has": (
        "POST explain", {"inputs": [{**X, "shape": [70, 1, 4, 4], "data": [0] * 1120}], "method": "smoothgrad", "samples": 1000}, {},
        413, "too_large", "1000 passes each",
    ),
    "a heat map of two rows": (
        "POST explain", {"inputs": [{**X, "shape": [2, 1, 4, 4], "data": [0] * 32}], "method": "saliency"}, {"Accept": "image/png"},
        400, "invalid_request", "2 rows",
    ),
    "a picture explained by nothing": ("POST explain", png((4, 4)), {"Content_Type": "image/png"}, 400, "invalid_request", "'method'"),
    "an unknown parameter": ("POST explain?method=saliency&top_k=1", png((4, 4)), {"Content_Type": "image/png"}, 400, "invalid_request", "'top_k'"),
    "a target that is no number": ("POST explain?method=saliency&target=7up", png((4, 4)), {"Content_Type": "image/png"}, 400, "invalid_request", "target"),
    "a target beyond numbers": ("POST explain?method=saliency&target=99999999999999999999", png((4, 4)), {"Content_Type": "image/png"}, 400, "invalid_request", "target"),
    "no picture to explain": ("POST explain?method=saliency", b"GIF89a", {"Content_Type": "image/png"}, 400, "invalid_image", "PNG or JPEG"),
    "not an image": ("POST predict", b"GIF89a", {"Content_Type": "image/png"}, 400, "invalid_image", "PNG or JPEG"),
    "half an image": ("POST predict", png((64, 64))[:60], {"Content_Type": "image/png"}, 400, "invalid_image", ""),
    "a PNG bomb": ("POST predict", png((9000, 9000)), {"Content_Type": "image/png"}, 400, "invalid_image", "9000 x 9000"),
    "a picture without its type": ("POST predict", png((4, 4)), {}, 415, "unsupported_media_type", "image/png"),
    "no instances": ("POST predict", {"instances": []}, {"Content_Type": "application/json"}, 400, "invalid_request", "instances"),
    "instances of a wrong shape": ("POST predict", {"instances": [[[1.0]]]}, {"Content_Type": "application/json"}, 400, "does_not_fit", "[N, 1, 4, 4]"),
    "instances of two shapes": ("POST predict", {"instances": [[[1.0]], [[1.0, 2.0]]]}, {"Content_Type": "application/json"}, 400, "invalid_tensor", "row 1"),
    "b64 that is none": ("POST predict", {"instances": [{"b64": "!"}]}, {"Content_Type": "application/json"}, 400, "invalid_request", "base64"),
    "b64 beyond ASCII": ("POST predict", {"instances": [{"b64": "é"}]}, {"Content_Type": "application/json"}, 400, "invalid_request", "base64"),
    "top_k of nothing": ("POST predict?top_k=0", png((4, 4)), {"Content_Type": "image/png"}, 400, "invalid_request", "top_k"),
    "weights with a tensor missing": ("PUT weights", weights(fc__bias=None), {}, 400, "does_not_fit", "lacks tensor 'fc.bias'"),
    "weights with a tensor extra": ("PUT weights", weights(other=[1]), {}, 400, "does_not_fit", "'other'"),
    "weights with a misshapen tensor": ("PUT weights", weights(fc__bias=[3]), {}, 400, "does_not_fit", "[3]"),
    "weights whose header lies": ("PUT weights", weights()[:-4], {}, 400, "does_not_fit", "bytes"),
    "weights whose header is too long": ("PUT weights", b"\xff" * 16, {}, 400, "does_not_fit", "cut off"),
    "weights with NaN": (
        "PUT weights", weights()[:-4] + b"\0\0\xc0\x7f", {}, 400, "does_not_fit", "NaN",
    ),
    "a version that is not there": ("POST rollback", {"version": "99"}, {}, 404, "version_not_found", "99"),
    "an alias that is a number": ("PUT aliases/7", {"version": "1"}, {}, 400, "invalid_request", "letter"),
    "infer on no version": ("POST versions/99/infer", {"inputs": [X]}, {}, 404, "version_not_found", "versions"),
    "limit out of range": ("GET versions?limit=0", None, {}, 400, "invalid_request", "1 to 1000"),
    "no such verb": ("POST nothing", None, {}, 404, "not_found", "README"),
    "wrong method": ("PATCH infer", None, {}, 405, "method_not_allowed", "OPTIONS, POST, not 'PATCH'"),
    "model name": (f"PUT {NEW}A", SIMPLE_CNN, {}, 400, "invalid_request", "a-z"),
    "another specification": ("PUT ", simple(seed=9), {}, 409, "model_exists", "another specification"),
    "PUT with If-Match": ("PUT ", SIMPLE_CNN, {"If_Match": "1"}, 400, "invalid_request", "If-Match"),
    "unknown member": (f"PUT {NEW}", simple(foo=1), {}, 400, "invalid_request", "'foo'"),
    "an input beyond all sizes": (f"PUT {NEW}", {"architecture": {"input": [1, 10**400, 1], "layers": [{"type": "flatten"}]}}, {}, 400, "does_not_fit", "1073741824"),
    "a layer beyond all sizes": (f"PUT {NEW}", with_layer({"type": "flatten"}, {**FC, "out_features": 10**400}, FC), {}, 400, "does_not_fit", "9007199254740992"),
    "a layer too large by far": (f"PUT {NEW}", with_layer({"type": "flatten"}, {**FC, "out_features": 1 << 53}, FC), {}, 400, "does_not_fit", "50,000,000"),
    "a std that float32 takes for 0": (f"PUT {NEW}", simple(preprocess={"std": 1e-320}), {}, 400, "does_not_fit", "float32"),
    "a mean that float32 takes for infinity": (f"PUT {NEW}", simple(preprocess={"mean": 1e300}), {}, 400, "does_not_fit", "float32"),
    "unknown layer": (f"PUT {NEW}", with_layer({"type": "conv3d"}), {}, 400, "does_not_fit", "conv2d"),
    "unknown field of a layer": (f"PUT {NEW}", with_layer({**CONV, "filters": 3}), {}, 400, "does_not_fit", "filters"),
    "missing field of a layer": (f"PUT {NEW}", with_layer({"type": "linear"}), {}, 400, "does_not_fit", "out_features"),
    "field of a wrong type": (f"PUT {NEW}", with_layer({**CONV, "kernel_size": "3"}), {}, 400, "does_not_fit", "kernel_size"),
    "a layer's inputs as number": (f"PUT {NEW}", with_layer({**CONV, "inputs": 1}), {}, 400, "invalid_request", "inputs"),
    "layers that do not fit": (f"PUT {NEW}", with_layer(CONV, FC), {}, 400, "does_not_fit", "layer '1' (linear) got [2, 26, 26]"),
    "kernel beyond the image": (f"PUT {NEW}", with_layer({**CONV, "kernel_size": 29}), {}, 400, "does_not_fit", "layer '0'"),
    "no layers": (f"PUT {NEW}", with_layer(), {}, 400, "does_not_fit", "empty"),
    "a last layer that is no vector": (f"PUT {NEW}", with_layer(CONV), {}, 400, "does_not_fit", "flatten"),
    "too many parameters": (
        f"PUT {NEW}", with_layer({"type": "flatten"}, {"type": "linear", "out_features": 10**9}), {},
        400, "does_not_fit", "parameters",
    ),
    "too large an input": (
        f"PUT {NEW}", {"architecture": {"input": [10**9, 1, 1], "layers": [{"type": "flatten"}]}}, {},
        400, "does_not_fit", "activations",
    ),
    "labels too few": (f"PUT {NEW}", simple(labels=["a"]), {}, 400, "does_not_fit", "1 labels"),
    "unknown loss": (f"PUT {NEW}", simple(training={"loss": {"name": "hinge"}}), {}, 400, "does_not_fit", "cross_entropy"),
    "a loss that is a number": (f"PUT {NEW}", simple(training={"loss": 3}), {}, 400, "invalid_request", "loss"),
    "unknown field of an optimizer": (
        f"PUT {NEW}", simple(training={"optimizer": {"name": "sgd", "lr": 1}}), {}, 400, "does_not_fit", "learning_rate",
    ),
    "std of zero": (f"PUT {NEW}", simple(preprocess={"std": 0.0}), {}, 400, "does_not_fit", "std"),
    "softmax before cross-entropy": (
        f"PUT {NEW}", with_layer({"type": "flatten"}, FC, {"type": "softmax"}), {}, 400, "does_not_fit", "computes itself",
    ),
    "a seed below zero": (f"PUT {NEW}", simple(seed=-1), {}, 400, "invalid_request", "seed"),
}  # fmt: skip


@pytest.fixture(scope="module")
def model(server: str) -> str:
    call("PUT", f"{server}/v2/models/bad-input", SIMPLE_CNN).raise_for_status()
    call("POST", f"{server}/v2/models/bad-input/train", batch()).raise_for_status()
    return "bad-input"


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_bad_input_is_refused_and_changes_nothing(
    row: tuple[str, Any, dict[str, str], int, str, str], server: str, model: str, name: str
) -> None:
    """The status and code are right, the message says what was expected, and the history is the same as before."""
    verb, body, headers, status, code, words = row
    before = versions(server, model)
    method, path = verb.split(" ", 1)
    path = path.replace(NEW, name) if NEW in path else f"{model}/{path}".rstrip("/")
    reply = call(method, f"{server}/v2/models/{path}", body, **headers)
    error = reply.json()
    assert (reply.status_code, error["code"]) == (status, code), error
    assert words in error["error"]
    assert len(error["error"]) < 600
    assert reply.headers["X-Request-Id"]
    assert versions(server, model) == before
    assert call("GET", f"{server}/v2/models/{name}").status_code == 404
