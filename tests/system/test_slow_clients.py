"""Who is slow holds up nobody: 128 hostile connections on eight threads, and a client that predicts meanwhile."""

import json
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from convserve_service.listener import CONNECTIONS
from tests.servers import Server, serving
from tests.service.calls import batch, call
from tests.service.specs import SIMPLE_CNN
from tests.system.hostile import Kind, attacking, half_sent, trickling
from tests.system.raw import answers, connect
from tests.system.workers import workers

CLIENT_SECONDS = 3.0
VICTIM_SECONDS = 4.0
OPTIONS = ("--workers", "2", "--request-threads", "4", "--threads", "1")
PREDICT, WEIGHTS = "/v2/models/small/infer", "/v2/models/large/weights"
SMALL = json.dumps({"inputs": batch()["inputs"][:1]}).encode()
LARGE = json.dumps({"inputs": batch(1000)["inputs"][:1]}).encode()


@contextmanager
def service(folder: Path, *options: str) -> Iterator[Server]:
    """Two workers of four threads, with a model that predicts and one whose weights are large."""
    with serving(folder, *OPTIONS, *options) as server:
        call("PUT", f"{server.url}/v2/models/small", SIMPLE_CNN).raise_for_status()
        layers = [{"type": "flatten"}, {"type": "linear", "name": "fc", "out_features": 256 * 1024}]
        large = {"architecture": {"input": [1, 4, 4], "layers": layers}}
        call("PUT", f"{server.url}/v2/models/large", large).raise_for_status()
        yield server


def predict(url: str, seconds: float) -> dict[str, list[float]]:
    """How long each prediction took, on a kept and on fresh connections, small and larger than a kernel's buffer."""
    took: dict[str, list[float]] = {"kept": [], "fresh": [], "large": []}
    end = time.monotonic() + seconds
    with requests.Session() as session:
        while time.monotonic() < end:
            for way, times in took.items():
                body = LARGE if way == "large" else SMALL
                began = time.monotonic()
                reply = (requests if way == "fresh" else session).post(url + PREDICT, body, timeout=20)
                times.append(time.monotonic() - began)
                assert reply.status_code == 200
            time.sleep(0.02)
    return took


def threads(server: Server) -> list[int]:
    """How many each worker has."""
    return [len(list(Path(f"/proc/{worker}/task").iterdir())) for worker in workers(server, 2)]


def open_sockets(server: Server) -> int:
    return sum(
        file.readlink().name.startswith("socket:")
        for worker in workers(server, 2)
        for file in Path(f"/proc/{worker}/fd").iterdir()
    )


def test_slow_clients_hold_up_nobody(tmp_path: Path) -> None:
    """With 64 half-sent and 64 trickling connections every prediction takes less than a second.

    The hostile are sent away in time, with a reason where a request had begun; no thread and no socket stays behind.
    """
    with service(tmp_path, "--client-seconds", str(CLIENT_SECONDS)) as server:
        predict(server.url, 0.5)
        threads_before, sockets_before = threads(server), open_sockets(server)
        kinds = [half_sent(PREDICT, WEIGHTS), trickling(PREDICT, WEIGHTS)]
        with attacking(server.url, kinds, 64) as attack:
            took = predict(server.url, VICTIM_SECONDS)
            assert max(map(max, took.values())) < 1.0, took
            assert min(map(len, took.values())) > 10
            deaf = {client.name for client in attack.clients if client.kind.small_window}
            end = attack.began + 5 * CLIENT_SECONDS
            while set(attack.open) - deaf:
                assert time.monotonic() < end, attack.open
                time.sleep(0.05)
            for client in attack.clients:
                if client.name not in deaf:
                    (answer,) = answers(client.received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"))
                    assert (answer.status, answer.json()["code"]) == (408, "request_timeout"), client.name
            while open_sockets(server) > sockets_before:
                assert time.monotonic() < end, "sockets of clients that do not read"
                time.sleep(0.05)
        assert threads(server) == threads_before
        predict(server.url, 0.5)


def test_a_silent_connection_is_closed_quietly(tmp_path: Path) -> None:
    """Nothing was asked, so that nothing is answered."""
    with service(tmp_path, "--client-seconds", "0.5") as server, attacking(server.url, [{"": Kind(b"")}], 3) as attack:
        end = time.monotonic() + 5
        while attack.open:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert [client.received for client in attack.clients] == [b""] * 3
        assert all(client.closed_after is not None and client.closed_after > 0.4 for client in attack.clients)


def test_slow_but_steady_is_fast_enough(tmp_path: Path) -> None:
    """A body that takes longer than the time in hand is answered where it keeps the rate, in a length or in chunks."""
    with service(tmp_path, "--client-seconds", "0.5", "--client-rate", "30000") as server:

        def slowly(size: int) -> Iterator[bytes]:
            for at in range(0, len(LARGE), size):
                yield LARGE[at : at + size]
                time.sleep(0.1)

        began = time.monotonic()
        reply = requests.post(server.url + PREDICT, slowly(15_000), timeout=20)
        assert time.monotonic() - began > 1
        assert reply.status_code == 200
        assert reply.json() == call("POST", server.url + PREDICT, LARGE).json()


def test_a_stopping_service_does_not_wait_for_them(tmp_path: Path) -> None:
    """It ends within seconds, whatever is half sent, half read or silent; what is complete is answered."""
    with service(tmp_path, "--client-seconds", str(CLIENT_SECONDS)) as server:
        kinds = [half_sent(PREDICT, WEIGHTS), trickling(PREDICT, WEIGHTS), {"silent": Kind(b"")}]
        with attacking(server.url, kinds, 11):
            replies: list[int] = []
            body = batch(64, epochs=100, batch_size=8)
            url = f"{server.url}/v2/models/small/train"
            thread = threading.Thread(target=lambda: replies.append(call("POST", url, body).status_code))
            thread.start()
            time.sleep(0.3)
            server.process.terminate()
            assert server.process.wait(10) == 0
            thread.join()
        assert replies == [200]


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process may have 4,096 files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_connections_without_end_leave_room(tmp_path: Path) -> None:
    """More silent ones than a worker takes: the oldest make room, and a client that comes last is answered."""
    with serving(tmp_path) as server, ExitStack() as stack:
        silent = [stack.enter_context(connect(server.url)) for _ in range(CONNECTIONS + 100)]
        assert call("GET", f"{server.url}/v2/health/live").elapsed.total_seconds() < 1
        assert silent[0].recv(1) == b""
        silent[-1].sendall(b"GET /v2/health/live HTTP/1.1\r\n\r\n")
        assert answers(silent[-1].recv(1 << 16))[0].status == 200
