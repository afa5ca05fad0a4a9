"""An architecture and its weights as an ONNX model in evaluation, built node by node."""

from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper

from bench.engine.cells import Array

OPSET = 17
IR_VERSION = 8
PLAIN = {"relu": "Relu", "flatten": "Flatten", "global_avg_pool": "GlobalAveragePool", "add": "Add"}
STORED = {
    "conv2d": ("weight", "bias"),
    "linear": ("weight", "bias"),
    "batch_norm2d": ("weight", "bias", "running_mean", "running_var"),
}


def model(architecture: dict[str, Any], weights: dict[str, Array], batch: int) -> bytes:
    """From `x` [batch,C,H,W] to `logits`, serialized."""
    nodes, previous = [], "x"
    for position, entry in enumerate(architecture["layers"]):
        name = entry.get("name", str(position))
        stored = [f"{name}.{part}" for part in STORED.get(entry["type"], ()) if f"{name}.{part}" in weights]
        operator, attributes = _operator(entry)
        sources = entry.get("inputs", [previous])
        nodes.append(helper.make_node(operator, [*sources, *stored], [name], name, **attributes))
        previous = name
    nodes.append(helper.make_node("Identity", [previous], ["logits"]))
    used = {source for node in nodes for source in node.input}
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items() if name in used]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *architecture["input"]])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, None])
    graph = helper.make_graph(nodes, "network", [x], [logits], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(made)
    serialized: bytes = made.SerializeToString()
    return serialized


def _operator(entry: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(ONNX's operator, its attributes)."""
    kind = entry["type"]
    if kind == "conv2d":
        padding = _pair(entry.get("padding", 0))
        attributes = {
            "kernel_shape": _pair(entry["kernel_size"]),
            "strides": _pair(entry.get("stride", 1)),
            "pads": [*padding, *padding],
            "group": entry.get("groups", 1),
        }
        return "Conv", attributes
    if kind == "max_pool2d":
        size = _pair(entry["kernel_size"])
        return "MaxPool", {"kernel_shape": size, "strides": _pair(entry.get("stride", size))}
    if kind == "batch_norm2d":
        return "BatchNormalization", {"epsilon": entry.get("eps", 1e-5)}
    return ("Gemm", {"transB": 1}) if kind == "linear" else (PLAIN[kind], {})


def _pair(value: int | list[int]) -> list[int]:
    return list(value) if isinstance(value, list) else [value, value]
