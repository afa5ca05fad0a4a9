"""The V2 envelope with its binary extension: a JSON header, then the raw tensors in order. Both directions, both sides.

Source: Open Inference Protocol, REST; Triton's binary tensor data extension.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Generic, TypeVar

import orjson

from convserve_wire import tensors
from convserve_wire.errors import TensorError, WireError
from convserve_wire.messages import InferRequest, OutputHeader, TensorHeader, parse
from convserve_wire.numbers import whole
from convserve_wire.tensors import Array, Tensor

M = TypeVar("M", bound=InferRequest)
HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Request(Generic[M]):
    """A decoded request: its validated header and its tensors by name."""

    message: M
    tensors: Mapping[str, Array]

    @property
    def outputs(self) -> Sequence[OutputHeader] | None:
        return self.message.outputs

    def output_names(self) -> tuple[str, ...] | None:
        return None if self.outputs is None else tuple(output.name for output in self.outputs)

    def binary(self, name: str) -> bool:
        """Whether an output goes as raw bytes: its own parameter, else the request's, else no."""
        default = _flag(self.message.parameters, "binary_data_output", False, "parameters")
        for position, output in enumerate(self.outputs or ()):
            if output.name == name:
                return _flag(output.parameters, "binary_data", default, f"outputs[{position}].parameters")
        return default


def decode_request(model: type[M], body: bytes, header_length: str | None) -> Request[M]:
    """A request body whose `Inference-Header-Content-Length` is `header_length`; WireError says what does not fit."""
    header, raw = _split(body, header_length)
    message = parse(model, header)
    found: dict[str, Array] = {}
    start = 0
    for position, tensor in enumerate(message.inputs):
        where = f"inputs[{position}]"
        array, start = _tensor(tensor, raw, start, where)
        if tensor.name in found:
            raise WireError(f"input '{tensor.name}' is there twice; send it once", f"{where}.name")
        found[tensor.name] = array
    if start != len(raw):
        raise WireError(
            f"{len(raw) - start} bytes are left over after the binary inputs; check binary_data_size and"
            f" {HEADER_LENGTH}"
        )
    for position, output in enumerate(message.outputs or ()):
        _refuse_shared_memory(output.parameters, f"outputs[{position}]")
    names = [output.name for output in message.outputs or ()]
    if len(set(names)) != len(names):
        raise WireError("an output is asked for twice; ask for it once", "outputs")
    return Request(message, found)


def decode_raw(body: bytes, shape: Sequence[int]) -> Request[InferRequest]:
    """A body that is one row of `x` alone (header length 0): FP32 or UINT8 by its size; all outputs binary."""
    sizes = {4 * prod(shape): "FP32", prod(shape): "UINT8"}
    if len(body) not in sizes:
        takes = " or ".join(f"{size} ({datatype})" for size, datatype in sizes.items())
        raise TensorError(f"the raw body has {len(body)} bytes, but one row of shape {list(shape)} takes {takes}")
    array = tensors.from_bytes(memoryview(body), sizes[len(body)], [1, *shape], "body")
    return Request(InferRequest(inputs=(), parameters={"binary_data_output": True}), {"x": array})


def encode_request(
    inputs: Mapping[str, Array],
    outputs: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    binary: bool = True,
) -> tuple[bytes, str | None]:
    """(body, header length): what a client sends; options are top-level members, None values left out."""
    header: dict[str, Any] = {key: value for key, value in (options or {}).items() if value is not None}
    if binary:
        header["parameters"] = {"binary_data_output": True}
    chunks: list[bytes | memoryview] = []
    header["inputs"] = [_describe(Tensor(name, array), binary, chunks) for name, array in inputs.items()]
    if outputs is not None:
        header["outputs"] = [{"name": name} for name in outputs]
    return _join(header, chunks)


def encode_reply(
    members: Mapping[str, Any], outputs: Sequence[Tensor], request: Request[Any]
) -> tuple[bytes, str | None]:
    """(body, header length or None for plain JSON) of a reply with the outputs as the request wants them."""
    chunks: list[bytes | memoryview] = []
    described = [_describe(tensor, request.binary(tensor.name), chunks) for tensor in outputs]
    header = dict(members)
    if request.message.id is not None:
        header["id"] = request.message.id
    return _join({**header, "outputs": described}, chunks)


def decode_reply(body: bytes, header_length: str | None) -> tuple[dict[str, Any], dict[str, Array]]:
    """(members without outputs, outputs by name) of a reply."""
    header, raw = _split(body, header_length)
    try:
        members: dict[str, Any] = orjson.loads(header)
    except orjson.JSONDecodeError as error:
        raise WireError(f"the reply is not JSON: {str(error)[:200]}") from error
    found: dict[str, Array] = {}
    start = 0
    for position, output in enumerate(members.pop("outputs", ())):
        tensor = TensorHeader.model_validate(output)
        found[tensor.name], start = _tensor(tensor, raw, start, f"outputs[{position}]", finite=False)
    return members, found


def _split(body: bytes, header_length: str | None) -> tuple[memoryview, memoryview]:
    view = memoryview(body)
    if header_length is None:
        return view, view[len(view) :]
    length = whole(header_length)
    if length is None:
        raise WireError(f"{HEADER_LENGTH} is {header_length[:40]!r}, but it must be the header's size in bytes")
    if length > len(view):
        raise WireError(f"{HEADER_LENGTH} is {length}, but the body has only {len(view)} bytes")
    return view[:length], view[length:]


def _tensor(tensor: TensorHeader, raw: memoryview, start: int, where: str, *, finite: bool = True) -> tuple[Array, int]:
    """(array, where the next binary tensor starts)."""
    _refuse_shared_memory(tensor.parameters, where)
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        return tensors.from_json(tensor.data, tensor.datatype, tensor.shape, where), start
    field = f"{where}.parameters.binary_data_size"
    if type(size) is not int or size < 0:
        raise WireError("binary_data_size must be a number of bytes from 0", field)
    if tensor.data is not None:
        raise WireError(f"input '{tensor.name}' has both data and binary_data_size; send one", where)
    stop = start + size
    if stop > len(raw):
        raise WireError(f"binary_data_size is {size}, but only {len(raw) - start} bytes follow", field)
    return tensors.from_bytes(raw[start:stop], tensor.datatype, tensor.shape, where, finite=finite), stop


def _refuse_shared_memory(parameters: Mapping[str, Any], where: str) -> None:
    if "shared_memory_region" in parameters:
        raise WireError(
            "this server shares no memory with its clients; send data, or binary_data_size and the bytes, and take"
            " outputs from the reply",
            f"{where}.parameters.shared_memory_region",
        )


def _describe(tensor: Tensor, binary: bool, chunks: list[bytes | memoryview]) -> dict[str, Any]:
    """A tensor's member of the header; its raw bytes are added to `chunks`."""
    described: dict[str, Any] = {
        "name": tensor.name,
        "shape": list(tensor.array.shape),
        "datatype": tensor.datatype,
    }
    parameters = dict(tensor.parameters)
    if binary:
        chunks.append(tensors.to_bytes(tensor.array))
        parameters["binary_data_size"] = len(chunks[-1])
    else:
        described["data"] = tensors.to_json(tensor)
    return {**described, "parameters": parameters} if parameters else described


def _join(header: Mapping[str, Any], chunks: list[bytes | memoryview]) -> tuple[bytes, str | None]:
    text = orjson.dumps(header, option=orjson.OPT_SERIALIZE_NUMPY)
    return (b"".join((text, *chunks)), str(len(text))) if chunks else (text, None)


def _flag(parameters: Mapping[str, Any], name: str, default: bool, where: str) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise WireError(f"{name} must be true or false", f"{where}.{name}")
    return value
