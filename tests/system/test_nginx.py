"""docs/nginx.conf before a real service: what it hands on, what it holds back and what it says itself."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.servers import ROOT
from tests.service.calls import batch, call
from tests.service.specs import SIMPLE_CNN
from tests.service.stored import file
from tests.system.raw import answers, connect, until_closed

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
CONFIGURATION = (ROOT / "docs" / "nginx.conf").read_text()
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed here")


@pytest.fixture
def proxy(server: str, tmp_path: Path) -> Iterator[str]:
    """The address of an nginx before the service; its files are in a folder of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folders = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in TEMPORARY)
    text = _replaced(CONFIGURATION, "http {\n", f"http {{\n{folders}")
    text = _replaced(text, "listen 80;", f"listen 127.0.0.1:{port};")
    text = _replaced(text, "127.0.0.1:8000", server.removeprefix("http://"))
    user = "user root;\n" if os.geteuid() == 0 else ""  # else its workers could not enter the folder
    own = f"{user}daemon off;\npid {tmp_path}/pid;\nerror_log {tmp_path}/errors;\n"
    (tmp_path / "nginx.conf").write_text(own + text)
    command = [str(NGINX), "-e", str(tmp_path / "errors"), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    subprocess.run([*command, "-t"], check=True, capture_output=True, timeout=30)
    process = subprocess.Popen(command)
    try:
        end = time.monotonic() + 10
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < end, (tmp_path / "errors").read_text()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def test_it_hands_on(proxy: str, server: str, name: str) -> None:
    """A model that is made, trained and asked through it answers as without it, however the body comes."""
    model = f"{proxy}/v2/models/{name}"
    assert call("PUT", model, SIMPLE_CNN).status_code == 201
    assert call("POST", f"{model}/train", batch(), Idempotency_Key="once").status_code == 200
    body = json.dumps({"inputs": batch(1000)["inputs"][:1]}).encode()
    direct = call("POST", f"{server}/v2/models/{name}/infer", body)
    assert call("POST", f"{model}/infer", body).json() == direct.json()
    chunks = (body[at : at + 999] for at in range(0, len(body), 999))
    assert requests.post(f"{model}/infer", chunks, timeout=30).json() == direct.json()
    assert call("POST", f"{model}/infer", body).headers["Convserve-Model-Version"] == "2"


def test_events_come_as_they_happen(proxy: str, name: str) -> None:
    """The first progress of a job is here before the job has ended."""
    call("PUT", f"{proxy}/v2/models/{name}", SIMPLE_CNN).raise_for_status()
    call("PUT", f"{proxy}/v2/datasets/{name}", file()).raise_for_status()
    fit = {"dataset": name, "epochs": 100_000, "batch_size": 10, "commit_every": 50}
    job = call("POST", f"{proxy}/v2/models/{name}/fit", fit).json()["job"]
    with requests.get(f"{proxy}/v2/jobs/{job}/events", stream=True, timeout=30) as events:
        first = next(line for line in events.iter_lines() if line.startswith(b"data:"))
    assert json.loads(first[5:])["state"] == "running"
    assert call("POST", f"{proxy}/v2/jobs/{job}/cancel").json()["state"] in ("running", "cancelled")


def test_what_it_says_itself_is_json(proxy: str) -> None:
    """Too large a body, too large a head, no HTTP."""
    rows = {
        b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 67108865\r\n\r\n": (413, "too_large"),
        b"GET /v2 HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 40_000 + b"\r\n\r\n": (431, "head_too_large"),
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n": (414, "uri_too_long"),
        b"GET /v2 HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n": (400, "invalid_http"),
    }
    for sent, expected in rows.items():
        with connect(proxy) as sock:
            sock.sendall(sent)
            data = sock.recv(1 << 16)  # nginx may reset the connection after it
            with contextlib.suppress(ConnectionResetError):
                data += until_closed(sock)
        (answer,) = answers(data)
        assert (answer.status, answer.json()["code"]) == expected, sent[:60]
        assert answer.headers["content-type"] == "application/json"
