"""What a run is said to take bounds what it takes, and its check stops it."""

import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convserve_model import Engine, Network, Snapshot, Training, workspace
from convserve_model.kernels.costs import STRIP

PLAIN = [
    {"type": "conv2d", "out_channels": 16, "kernel_size": 3, "padding": 1}, {"type": "relu"},
    {"type": "conv2d", "out_channels": 16, "kernel_size": 3, "padding": 1}, {"type": "relu"},
    {"type": "max_pool2d", "kernel_size": 2}, {"type": "flatten"}, {"type": "linear", "out_features": 4},
]  # fmt: skip
NORMAL = [*PLAIN[:1], {"type": "batch_norm2d"}, *PLAIN[1:3], {"type": "batch_norm2d"}, *PLAIN[3:]]
WIDE = {"type": "max_pool2d", "kernel_size": 3, "stride": 1, "padding": 1}
NOTING = [*NORMAL[:3], WIDE, WIDE, WIDE, *([{"type": "dropout", "p": 0.1}] * 3), *NORMAL[-3:]]
FEW_BYTES = 8 * STRIP * 4  # work space of both threads


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


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux forgets a process's peak")
@pytest.mark.parametrize("layers", [PLAIN, NORMAL, NOTING], ids=["plain", "batch norm", "masks"])
@pytest.mark.parametrize("n", [16, 400])
@pytest.mark.parametrize("what", ["infer", "evaluate", "gradients", "train"])
def test_a_run_takes_at_most_what_is_said(what: str, n: int, layers: list[dict[str, Any]]) -> None:
    """What three runs add to the process at most, x included, is the estimate and a few MiB, and no eighth of it."""
    workspace._idle.clear()  # what other tests left is not used again
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
    before, engine = status("VmRSS"), Engine(2)
    for _ in range(3):  # some plan what comes again
        network = run(engine, layers, n, what, lambda: None)
    taken = status("VmHWM") - before
    engine.close()
    said = engine.footprint(network, n, backward=what in ("gradients", "train"), train=what == "train")
    assert said / 8 < taken <= 1.1 * said + FEW_BYTES


def status(name: str) -> int:
    """Bytes."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) << 10


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
