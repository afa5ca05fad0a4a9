"""How many floating-point operations a network asks for."""

from math import prod

from bench.engine.cells import TRAIN
from convserve_model import Network

STEP = 3  # forward, weight gradient, input gradient; that the first layer needs no input gradient is not deducted


def flops(network: Network, batch: int, mode: str) -> float:
    """Two for each multiply-add of direct convolutions and linear layers; a training step counts as three forwards."""
    forward = 2 * batch * sum(_multiply_adds(network, node.name) for node in network.nodes)
    return float(forward * (STEP if mode == TRAIN else 1))


def _multiply_adds(network: Network, name: str) -> int:
    spec = network.specs.get(f"{name}.weight")
    if spec is None or len(spec.shape) < 2:  # batch norm's is a vector
        return 0
    return prod(spec.shape) * prod(network.shapes[name][1:])
