"""What is written over, a value or a gradient, is nobody else's: the bits are those of fresh arrays."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from convserve_model import Network, Snapshot, Training
from convserve_model.executor import Executor
from convserve_model.prepare import Program, Want, prepare
from tests.model.sketch import Array, Draw

Layer = dict[str, Any]
RELU, BN, FLAT = {"type": "relu"}, {"type": "batch_norm2d"}, {"type": "flatten"}
CONV: Layer = {"type": "conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1}
HEAD: list[Layer] = [FLAT, {"type": "linear", "out_features": 5}]


def named(layer: Layer, name: str, *inputs: str) -> Layer:
    return {**layer, "name": name} | ({"inputs": list(inputs)} if inputs else {})


ADD, CONCAT = {"type": "add"}, {"type": "concat"}
LAYERS: dict[str, list[Layer]] = {
    "a chain": [CONV, BN, named(RELU, "a"), CONV, named(RELU, "b"), *HEAD],
    "a residual": [named(CONV, "a"), BN, RELU, named(CONV, "b"), named(ADD, "sum", "a", "b"), BN, RELU, *HEAD],
    "an identity": [CONV, named(RELU, "a"), CONV, named(BN, "b"), named(ADD, "sum", "b", "a"), RELU, *HEAD],
    "the same twice": [CONV, named(BN, "a"), named(ADD, "b", "a", "a"), RELU, *HEAD],
    "a shortcut first": [named(CONV, "a"), BN, RELU, named(CONV, "f"), named(ADD, "b", "a", "f"), RELU, *HEAD],
    "a reader that needs it": [
        named(CONV, "a"),
        named(CONV, "c", "a"),
        named(RELU, "r", "a"),
        named(ADD, "b", "c", "r"),
        *HEAD,
    ],
    "a view": [
        named(CONV, "a"),
        named(FLAT, "f", "a"),
        named(RELU, "r", "a"),
        named(FLAT, "b", "r"),
        named(CONCAT, "d", "f", "b"),
        HEAD[1],
    ],
    "side by side": [named(CONV, "a"), named(RELU, "b"), named(BN, "c", "a"), named(CONCAT, "d", "b", "c", "a"), *HEAD],
}


def careful(program: Program) -> Program:
    """The program without anything that may be written over, and without passes that are kept."""
    segments = tuple(tuple(replace(op, spend=False, overwrite=False) for op in segment) for segment in program.segments)
    return replace(program, segments=segments, planned=0)


def ran(program: Program, network: Network, n: int) -> dict[str, Array]:
    snapshot = Snapshot.initial(network, Training(), seed=3)
    x = Draw(4, n).array((n, *network.input), -1.0, 1.0).astype(np.float32)
    grads = {name: np.zeros(network.specs[name].shape, np.float32) for name in program.want.params}
    executor = Executor(1)
    weights = program.weights(snapshot.weights())
    result = executor.run(program, weights, x, loss=Training().loss, target=np.arange(n) % 5, grads=grads)
    executor.close()
    return {**result.outputs, **grads, **{f"grad/{name}": value for name, value in result.gradients.items()}}


@pytest.mark.parametrize("values", [(), ("x",), ("x", "a", "b")], ids=["parameters", "x", "layers"])
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_what_is_written_over_is_nobody_elses(layers: list[Layer], values: tuple[str, ...]) -> None:
    """Every gradient that was asked for, of one microbatch and of several."""
    network = Network.from_dict({"input": [3, 8, 8], "layers": layers})
    outputs = values[1:]
    want = Want(outputs, frozenset(network.parameters), values, loss=True, train=True)
    for n in (2, 2100):
        program = prepare(network, n, want)
        found = ran(program, network, n)
        for name, wanted in ran(careful(prepare(network, n, want, fuse=False)), network, n).items():
            np.testing.assert_array_equal(found[name], wanted, err_msg=name)


def test_something_is_written_over() -> None:
    network = Network.from_dict({"input": [3, 8, 8], "layers": LAYERS["a chain"]})
    program = prepare(network, 2, Want(params=frozenset(network.parameters), loss=True, train=True))
    assert any(op.spend for op in program.ops)
    assert any(op.overwrite for op in program.ops)
