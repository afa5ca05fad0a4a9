"""The envelope through both sides: what one encodes the other decodes, to the bit."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from convserve_wire import messages
from convserve_wire.datatypes import DATATYPES
from convserve_wire.envelope import decode_raw, decode_reply, decode_request, encode_reply, encode_request
from convserve_wire.errors import NonFiniteOutput, WireError
from convserve_wire.messages import InferRequest, TrainRequest
from convserve_wire.tensors import Tensor

NUMBERS = [dtype for name, dtype in DATATYPES.items() if name != "BYTES"]
FINITE = {"allow_nan": False, "allow_infinity": False}


@st.composite
def any_array(draw: st.DrawFn) -> Any:
    dtype = draw(st.sampled_from(NUMBERS))
    elements = FINITE if dtype.kind == "f" else {}
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    return draw(arrays.arrays(dtype, shape, elements=arrays.from_dtype(dtype, **elements)))


def same(a: Any, b: Any) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@given(array=any_array(), binary=st.booleans())
def test_requests_survive(array: Any, binary: bool) -> None:
    """Every dtype and shape, empty ones and scalars too, as JSON and as bytes; in JSON -0.0 and halves too."""
    body, length = encode_request({"x": array, "z": array}, ["logits"], {"none": None}, binary=binary)
    decoded = decode_request(InferRequest, body, length)
    assert same(decoded.tensors["x"], array)
    assert same(decoded.tensors["z"], array)
    assert decoded.output_names() == ("logits",)


@given(array=any_array(), binary=st.booleans())
def test_replies_survive(array: Any, binary: bool) -> None:
    """Members, id and outputs; a reply is binary only where the request asked for it."""
    request = decode_request(InferRequest, *encode_request({}, binary=binary))
    body, length = encode_reply({"model_name": "m"}, [Tensor("a", array)], request)
    assert (length is not None) == binary
    members, found = decode_reply(body, length)
    assert members == {"model_name": "m"}
    assert same(found["a"], array)


def test_bytes_survive() -> None:
    """BYTES are length-prefixed in binary and text in JSON."""
    array = np.array([[b"abc", b""]], dtype=object)
    for binary in (True, False):
        decoded = decode_request(InferRequest, *encode_request({"x": array}, binary=binary))
        assert decoded.tensors["x"].tolist() == [[b"abc", b""]]


def test_json_and_binary_inputs_mix() -> None:
    """A JSON tensor between two binary ones takes no bytes."""
    header = {
        "inputs": [
            {"name": "a", "shape": [1], "datatype": "UINT8", "parameters": {"binary_data_size": 1}},
            {"name": "b", "shape": [2], "datatype": "INT16", "data": [-1, 2]},
            {"name": "c", "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": 4}},
        ]
    }
    text = json.dumps(header).encode()
    decoded = decode_request(InferRequest, text + b"\x07" + np.float32(1.5).tobytes(), str(len(text)))
    assert {name: array.tolist() for name, array in decoded.tensors.items()} == {"a": [7], "b": [-1, 2], "c": [1.5]}


OUTPUTS: list[tuple[bool | None, bool | None, bool]] = [
    (None, None, False), (None, True, True), (True, None, True), (False, True, False), (True, False, True),
]  # fmt: skip


@pytest.mark.parametrize(("own", "whole", "binary"), OUTPUTS)
def test_an_outputs_own_parameter_decides(own: bool | None, whole: bool | None, binary: bool) -> None:
    """binary_data of the output, else binary_data_output of the request, else JSON."""
    header: dict[str, Any] = {"inputs": [], "outputs": [{"name": "a"}], "parameters": {}}
    if own is not None:
        header["outputs"][0]["parameters"] = {"binary_data": own}
    if whole is not None:
        header["parameters"]["binary_data_output"] = whole
    request = decode_request(InferRequest, json.dumps(header).encode(), None)
    _, length = encode_reply({}, [Tensor("a", np.zeros(2, np.float32))], request)
    assert (length is not None) == binary


def test_a_nan_goes_as_bytes_and_never_as_null() -> None:
    """JSON has no NaN: the reply is refused; in binary it arrives."""
    array = np.array([np.nan], np.float32)
    plain, binary = (decode_request(InferRequest, *encode_request({}, binary=flag)) for flag in (False, True))
    with pytest.raises(NonFiniteOutput, match="binary_data"):
        encode_reply({}, [Tensor("a", array)], plain)
    assert np.isnan(decode_reply(*encode_reply({}, [Tensor("a", array)], binary))[1]["a"][0])


def test_unknown_members_are_ignored_on_standard_verbs_only() -> None:
    """Stock clients add some; ours are closed."""
    body = b'{"inputs": [], "outputs": [], "novelty": 1, "id": "abc"}'
    assert decode_request(InferRequest, body, None).message.id == "abc"
    with pytest.raises(WireError, match="novelty"):
        decode_request(TrainRequest, body, None)


def test_raw_bodies_are_one_row() -> None:
    """FP32 or UINT8 by their size."""
    assert decode_raw(bytes(16), [1, 2, 2]).tensors["x"].dtype == np.float32
    assert decode_raw(bytes(4), [1, 2, 2]).tensors["x"].dtype == np.uint8


@given(body=st.binary(max_size=200), length=st.none() | st.integers(-1, 300).map(str) | st.text(max_size=5))
def test_any_bytes_are_a_request_or_a_clear_error(body: bytes, length: str | None) -> None:
    """Nothing but WireError ever comes out."""
    try:
        decode_request(TrainRequest, body, length)
    except WireError as error:
        assert str(error)  # noqa: PT017


TEXTS = [
    b'{"inputs": [], "outputs": [{"name": "a"}], "parameters": {"binary_data_output": true}, "id": "%d"}',
    b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [NaN]}], "id": "%d"}',
    b'{"inputs": [], "novelty": "%d"}',
    b'{"inputs": "%d"}',
    b"[%d",
]


@pytest.mark.parametrize("model", [InferRequest, TrainRequest])
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_comes_again_means_the_same(text: bytes, model: type[InferRequest]) -> None:
    """Short or long, and while more different ones come than are remembered: the message or error of a fresh look."""

    def told(parse: Callable[[bytes], InferRequest], sent: bytes) -> str:
        try:
            return repr(parse(sent))
        except (ValidationError, WireError) as error:
            return str(error.__cause__ or error)

    for number in (*range(2 * messages.REMEMBERED), *range(2 * messages.REMEMBERED)):
        sent = text % (number // 2)
        assert told(partial(messages.parse, model), sent) == told(model.model_validate_json, sent)
    sent = text % 1 + b" " * messages.LONGEST_REMEMBERED
    assert told(partial(messages.parse, model), sent) == told(model.model_validate_json, sent)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(data=JSON_VALUES, shape=JSON_VALUES, datatype=st.sampled_from([*DATATYPES, "FP8", ""]), size=JSON_VALUES)
def test_any_tensor_is_an_array_or_a_clear_error(data: Any, shape: Any, datatype: str, size: Any) -> None:
    """Whatever JSON stands in its members."""
    tensor = {"name": "x", "shape": shape, "datatype": datatype, "data": data}
    if size is not None:
        tensor["parameters"] = {"binary_data_size": size}
    body = json.dumps({"inputs": [tensor]}).encode()
    try:
        decode_request(InferRequest, body, str(len(body)))
    except WireError as error:
        assert len(str(error)) < 1000  # noqa: PT017
