"""The task of a cell: weights as our own initialisation draws them, random images and classes."""

import numpy as np

from bench.engine.cells import Cell, Task
from bench.engine.networks import NETWORKS
from convserve_model import Network, Snapshot, Training


def task(cell: Cell, attempt: int = 0) -> Task:
    """Another attempt has other images and classes."""
    architecture = NETWORKS[cell.network]()
    network = Network.from_dict(architecture)
    draw = np.random.default_rng((cell.batch, attempt))
    x = draw.standard_normal((cell.batch, *network.input), dtype=np.float32)
    y = draw.integers(network.classes, size=cell.batch, dtype=np.int64)
    weights = Snapshot.initial(network, Training(), seed=0).weights()
    return Task(cell.mode, architecture, weights, x, y)
