"""One run: a service, everybody who asks, and a look at its memory each second."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from convserve_client import Client
from convserve_client.samples import digits
from tests.servers import environment, serving
from tests.soak.clients import MODEL, PINNED, Clients
from tests.soak.growth import Growth

OPTIONS = ("--workers", "2", "--threads", "1", "--keep", "20")
TELL_SECONDS = 60


def run(folder: Path, seconds: float, say: Callable[[str], None] = print) -> list[str]:
    """Everything that went wrong: requests that failed, bytes that changed, processes that grew, a store not whole."""
    with serving(folder, *OPTIONS) as server:
        prepare(server.url)
        clients, growth = Clients(server), Growth(server.process.pid)
        started = time.monotonic()
        clients.start()
        told = started
        while (now := time.monotonic()) < started + seconds and not clients.failures:
            growth.sample()
            if now - told >= TELL_SECONDS:
                told = now
                say(f"{now - started:5.0f} s: {sum(clients.answered.values()):,} answered")
            time.sleep(1)
        clients.stop()
        for name, count in clients.answered.items():
            say(f"{name:32s}{count:10,}   {count / (now - started):8.1f}/s")
        for pid, (middle, end) in growth.changes().items():
            say(f"process {pid}: {middle:.1f} MB in the middle of the run, {end:.1f} MB at its end")
    verify = [sys.executable, "-m", "convserve_service", "verify", "--data-dir", str(folder)]
    done = subprocess.run(verify, env=environment(), capture_output=True, text=True, check=False)
    say(done.stdout.strip())
    return [*clients.failures, *growth.grown(), *([] if done.returncode == 0 else [f"verify: {done.stdout}"])]


def prepare(url: str) -> None:
    """A model with a version that stays, and a dataset."""
    data = digits()
    with Client(url) as client:
        model = client.create(MODEL, "lenet5", preprocess={"mean": 0.1307, "std": 0.3081})
        model.alias(PINNED, 1)
        client.put_dataset(MODEL, data.train_images, data.train_labels)
