"""Fusion changes no bit: every architecture with and without it, in inference, evaluation and training."""

from typing import Any

import numpy as np
import pytest

from convserve_model import Network, Snapshot, Training
from convserve_model.executor import Executor
from convserve_model.prepare import Program, Want, prepare
from tests.model.sketch import Array, Draw

RELU, POOL, FLAT = {"type": "relu"}, {"type": "max_pool2d", "kernel_size": 2}, {"type": "flatten"}
BN, FC = {"type": "batch_norm2d"}, {"type": "linear", "out_features": 5}


def conv(channels: int, **options: Any) -> dict[str, Any]:
    return {"type": "conv2d", "out_channels": channels, "kernel_size": 3, **options}


LAYERS: dict[str, list[dict[str, Any]]] = {
    "relu": [conv(8, padding=1), RELU, conv(8), RELU, FLAT, FC],
    "relu and pool": [conv(8, padding=1), RELU, POOL, conv(6), POOL, RELU, FLAT, FC],
    "batch norm": [conv(8, padding=1, bias=False), BN, RELU, POOL, conv(8, stride=2), BN, RELU, FLAT, FC],
    "depthwise": [conv(8, padding=1), RELU, conv(8, groups=8, padding=1), BN, RELU, POOL, FLAT, FC],
    "an odd pool": [conv(4), {"type": "max_pool2d", "kernel_size": [3, 2]}, RELU, FLAT, FC],
}
TRAINING = Training()


def followers(program: Program) -> int:
    """How many kernels run on a convolution's strips."""
    return sum(len(op.followers) for segment in program.segments for op in segment)


def ran(layers: list[dict[str, Any]], want: Want, *, fuse: bool, n: int, threads: int) -> dict[str, Array]:
    network = Network.from_dict({"input": [3, 37, 35], "layers": layers})
    snapshot = Snapshot.initial(network, TRAINING, seed=3)
    x = Draw(4, n).array((n, *network.input), -1.0, 1.0).astype(np.float32)
    program = prepare(network, n, want, fuse=fuse)
    grads = {name: np.zeros(network.specs[name].shape, np.float32) for name in want.params}
    executor = Executor(threads)
    result = executor.run(
        program, program.weights(snapshot.weights()), x, loss=TRAINING.loss, target=np.arange(n) % 5, grads=grads
    )
    executor.close()
    return {**result.outputs, **grads, **{f"grad/{name}": gradient for name, gradient in result.gradients.items()}}


@pytest.mark.parametrize("n", [1, 3, 40])
@pytest.mark.parametrize("mode", ["infer", "evaluate", "train"])
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_fusion_changes_no_bit(layers: list[dict[str, Any]], mode: str, n: int) -> None:
    """Logits and every gradient, on one thread and on two."""
    network = Network.from_dict({"input": [3, 37, 35], "layers": layers})
    gradients = {"params": frozenset(network.parameters), "values": ("x",), "loss": True, "train": mode == "train"}
    want = Want(outputs=(network.last.name,), **({} if mode == "infer" else gradients))  # type: ignore[arg-type]
    assert followers(prepare(network, n, want, fuse=False)) == 0
    assert followers(prepare(network, n, want)) > 0 or (mode != "infer" and BN in layers)
    plain = ran(layers, want, fuse=False, n=n, threads=1)
    for threads in (1, 2):
        fused = ran(layers, want, fuse=True, n=n, threads=threads)
        assert [name for name in plain if plain[name].tobytes() != fused[name].tobytes()] == []


def test_what_is_asked_for_is_not_fused_away() -> None:
    """The value of a ReLU before a pool is that of the ReLU."""
    layers = [{**conv(4), "name": "conv"}, {**RELU, "name": "act"}, {**POOL, "name": "pool"}, FLAT, FC]
    outputs = ("conv", "act", "pool")
    plain, fused = (ran(layers, Want(outputs=outputs), fuse=fuse, n=2, threads=1) for fuse in (False, True))
    assert (fused["conv"] < 0).any()
    assert (fused["act"] == np.maximum(fused["conv"], 0)).all()
    assert [name for name in outputs if plain[name].tobytes() != fused[name].tobytes()] == []
