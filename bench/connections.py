"""Connections whose worker is known, and the requests that go over them."""

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

from bench.processes import accepted
from bench.stores import MODEL
from convserve_client.samples import digits
from convserve_wire import paths
from convserve_wire.envelope import HEADER_LENGTH, encode_request
from convserve_wire.tensors import Array
from tests.servers import Server

SECONDS = 60


@dataclass(frozen=True)
class Call:
    """One request, ready to be sent."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


LIVE = Call("GET", paths.LIVE)


@cache
def predicting() -> Call:
    """The logits of one digit."""
    return _binary(paths.INFER, *encode_request({"x": digits().test_images[:1]}))


@cache
def training(steps: int = 1) -> Call:
    """Steps on one batch of 64 digits, which commit together."""
    data = digits()
    inputs: dict[str, Array] = {"x": data.train_images[:64], "y": data.train_labels[:64]}
    return _binary(paths.TRAIN, *encode_request(inputs, options={"epochs": steps}))


class Connection:
    """One connection that stays open; `worker` is the process that answers on it."""

    def __init__(self, server: Server) -> None:
        address = urlsplit(server.url)
        assert address.hostname is not None
        assert address.port is not None
        self._http = http.client.HTTPConnection(address.hostname, address.port, timeout=SECONDS)
        self._http.connect()
        self._server = server
        self._port = address.port

    @property
    def worker(self) -> int | None:
        """Known once it answered something."""
        client_port: int = self._http.sock.getsockname()[1]
        return accepted(self._server.process.pid, self._port, client_port)

    def send(self, call: Call) -> int:
        """The status of the reply, which is read to its end."""
        return self.ask(call)[0]

    def ask(self, call: Call) -> tuple[int, bytes]:
        """(status, body) of the reply."""
        self._http.request(call.method, call.path, call.body, dict(call.headers))
        reply = self._http.getresponse()
        return reply.status, reply.read()

    def insist(self, call: Call) -> int:
        """Send until it is not 503, a second apart as the service asks; how often it was."""
        refused = 0
        while (status := self.send(call)) == 503:
            refused += 1
            time.sleep(1)
        assert status == 200, f"{call.path} got {status}"
        return refused

    def close(self) -> None:
        self._http.close()


def _binary(path: str, body: bytes, length: str | None) -> Call:
    headers = {HEADER_LENGTH: str(length), "Content-Type": "application/octet-stream"}
    return Call("POST", paths.fill(path, model=MODEL), body, headers)
