"""Who asks: closed loops over connections that stay open, of every kind that the service answers."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from bench.connections import Call, Connection
from convserve_client.pictures import png
from convserve_client.samples import digits
from convserve_wire import paths
from convserve_wire.envelope import HEADER_LENGTH, encode_request
from convserve_wire.tensors import Array
from tests.servers import Server

MODEL, PINNED = "digits", "first"
BATCH = 32


def calls() -> Mapping[str, tuple[Call, bool]]:
    """By name: a request, and whether its reply is the same bytes each time (it works on a version that stays)."""
    data = digits()
    x, y = data.test_images[:1], data.test_labels[:1]
    rows, targets = data.train_images[:BATCH], data.train_labels[:BATCH]
    header = {"name": "x", "shape": list(x.shape), "datatype": "UINT8", "data": x.ravel().tolist()}
    as_json = json.dumps({"inputs": [header]}).encode()
    wanted = ["loss", "grad/x", "grad/conv1.weight"]
    return {
        "infer, JSON": (Call("POST", _path(paths.INFER), as_json), False),
        "infer, JSON, pinned": (Call("POST", _path(paths.INFER, PINNED), as_json), True),
        "infer, binary": (_binary(paths.INFER, {"x": x}), False),
        "infer, binary, a batch, pinned": (_binary(paths.INFER, {"x": rows}, version=PINNED), True),
        "predict, PNG": (Call("POST", _path(paths.PREDICT), png(x[0]), {"Content-Type": "image/png"}), False),
        "gradients, pinned": (_binary(paths.GRADIENTS, {"x": x, "y": y}, wanted, version=PINNED), True),
        "evaluate": (_binary(paths.EVALUATE, {"x": rows, "y": targets}), False),
        "metadata": (Call("GET", _path(paths.MODEL)), False),
        "train": (_binary(paths.TRAIN, {"x": rows, "y": targets}), False),
    }


@dataclass
class Clients:
    """One thread for each kind of call, until `stop`; what went wrong is in `failures`."""

    server: Server
    answered: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for name, (call, same) in calls().items():
            self._run(self._ask, name, call, same)
        self._run(self._fit)

    def stop(self) -> None:
        """Let everybody have the reply that they wait for."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[..., None], *args: object) -> None:
        def guarded() -> None:
            try:
                work(*args)
            except Exception as error:
                self.failures.append(f"{args[:1]}: {error!r}")

        self._threads.append(threading.Thread(target=guarded, daemon=True))
        self._threads[-1].start()

    def _ask(self, name: str, call: Call, same: bool) -> None:
        first: bytes | None = None
        with closing(Connection(self.server)) as connection:
            while not self._stopping.is_set():
                status, body = connection.ask(call)
                first = first or body
                if status != 200:
                    self.failures.append(f"{name}: {status} {body[:200]!r}")
                elif same and body != first:
                    self.failures.append(f"{name}: the bytes of a version that stays have changed")
                self.answered[name] += 1

    def _fit(self) -> None:
        """A job after another, so that there is always one that trains."""
        path, body = paths.fill(paths.FIT, model=MODEL), json.dumps({"dataset": MODEL, "epochs": 2}).encode()
        with closing(Connection(self.server)) as connection:
            while not self._stopping.is_set():
                status, reply = connection.ask(Call("POST", path, body))
                if status != 202:
                    self.failures.append(f"fit: {status} {reply[:200]!r}")
                job = json.loads(reply)
                while job["state"] in ("queued", "running") and not self._stopping.is_set():
                    time.sleep(0.2)
                    job = json.loads(connection.ask(Call("GET", paths.fill(paths.JOB, job=job["job"])))[1])
                if job["state"] in ("failed", "cancelled"):
                    self.failures.append(f"fit: {job}")
                self.answered["fit"] += 1


def _path(path: str, version: str | None = None) -> str:
    return paths.fill(path, version=version, model=MODEL)


def _binary(
    path: str, inputs: Mapping[str, Array], outputs: list[str] | None = None, *, version: str | None = None
) -> Call:
    body, length = encode_request(inputs, outputs)
    headers = {HEADER_LENGTH: str(length), "Content-Type": "application/octet-stream"}
    return Call("POST", _path(path, version), body, headers)
