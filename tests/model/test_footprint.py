"""What a run is said to take bounds what it takes, and its check stops it."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convserve_model import Engine, Network, Snapshot, Training
from convserve_model.kernels.costs import STRIP

PLAIN = [
    {"type": "conv2d", "out_channels": 16, "kernel_size": 3, "padding": 1}, {"type": "relu"},
    {"type": "conv2d", "out_channels": 16, "kernel_size": 3, "padding": 1}, {"type": "relu"},
    {"type": "max_pool2d", "kernel_size": 2}, {"type": "flatten"}, {"type": "linear", "out_features": 4},
]  # fmt: skip
NORMAL = [*PLAIN[:1], {"type": "batch_norm2d"}, *PLAIN[1:3], {"type": "batch_norm2d"}, *PLAIN[3:]]


class Stopped(Exception): ...


def run(engine: Engine, layers: list[dict[str, Any]], n: int, what: str, check: Callable[[], None]) -> Network:
    network, training = Network.from_dict({"input": [3, 24, 24], "layers": layers}), Training()
    snapshot = Snapshot.initial(network, training, seed=0)
    x, y = np.zeros((n, 3, 24, 24), np.float32), np.zeros(n, np.int64)
    if what == "infer":
        engine.infer(network, snapshot, x, check=check)
    elif what == "evaluate":
        engine.evaluate(network, snapshot, x, y, loss=training.loss, check=check)
    elif what == "gradients":
        engine.gradients(network, snapshot, x, loss=training.loss, target=y, check=check)
    else:
        engine.train(network, training, snapshot, x, y, check=check)
    return network


@pytest.mark.parametrize("layers", [PLAIN, NORMAL], ids=["plain", "batch norm"])
@pytest.mark.parametrize("n", [16, 400])
@pytest.mark.parametrize("what", ["infer", "evaluate", "gradients", "train"])
def test_a_run_takes_at_most_what_is_said(what: str, n: int, layers: list[dict[str, Any]]) -> None:
    """The peak as tracemalloc sees it, x included, is within the estimate and a strip a thread, and no eighth of it."""
    engine = Engine(2)
    network = run(engine, layers, n, what, lambda: None)  # what is prepared once stays
    tracemalloc.start()
    run(engine, layers, n, what, lambda: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    engine.close()
    said = engine.footprint(network, n, backward=what in ("gradients", "train"), train=what == "train")
    assert said / 8 < peak <= 1.1 * said + 2 * STRIP * 4


@pytest.mark.parametrize("layers", [PLAIN, NORMAL], ids=["plain", "batch norm"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("what", ["infer", "evaluate", "gradients", "train"])
def test_a_check_stops_a_run_between_microbatches(what: str, threads: int, layers: list[dict[str, Any]]) -> None:
    """Within one step too, and the engine works afterwards."""
    engine, calls = Engine(threads), 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls >= 3:
            raise Stopped

    with pytest.raises(Stopped):
        run(engine, layers, 400, what, check)
    run(engine, layers, 20, what, lambda: None)
    engine.close()
