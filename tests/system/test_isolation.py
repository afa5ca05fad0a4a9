"""A long write in one worker is in the way of nobody who reads."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.servers import serving
from tests.service.calls import batch, call
from tests.service.specs import SIMPLE_CNN

X = {"inputs": batch()["inputs"][:1]}
LONG = batch(64, epochs=1000, batch_size=8)


def test_predictions_go_on_while_a_worker_trains(tmp_path: Path) -> None:
    """Every prediction is of the version before, until the training's reply; the median takes less than a second."""
    with serving(tmp_path, "--workers", "2", "--threads", "1") as running, ThreadPoolExecutor(1) as pool:
        url = f"{running.url}/v2/models/m"
        call("PUT", url, SIMPLE_CNN).raise_for_status()
        before = call("POST", f"{url}/infer", X).content
        training = pool.submit(call, "POST", f"{url}/train", LONG)
        seconds = []
        while True:
            started = time.monotonic()
            reply = call("POST", f"{url}/infer", X)
            if training.done() or reply.json()["model_version"] != "1":
                break
            assert (reply.status_code, reply.content) == (200, before)
            seconds.append(time.monotonic() - started)
        assert training.result().json()["model_version"] == "2"
        assert call("POST", f"{url}/infer", X).json()["model_version"] == "2"
    assert len(seconds) > 20, "the training was too short to prove anything"
    assert statistics.median(seconds) < 1
