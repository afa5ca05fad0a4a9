"""Pages of other sites, whose requests a browser carries to loopback, and an open service."""

from pathlib import Path

import pytest

from convserve_service import keys
from convserve_service.app import create_app
from convserve_service.browsers import local
from convserve_service.operations import Scope
from convserve_service.settings import Settings
from convserve_service.store.store import Store
from tests.service.calls import batch
from tests.service.specs import SIMPLE_CNN

# Host, Origin, whether it is answered
ROWS: dict[str, tuple[str, str | None, bool]] = {
    "a program": ("127.0.0.1:8000", None, True),
    "a program by name": ("localhost:8000", None, True),
    "our own page": ("127.0.0.1:8000", "http://127.0.0.1:8000", True),
    "our own page by name": ("localhost", "http://localhost", True),
    "another site": ("127.0.0.1:8000", "https://evil.example", False),
    "another port": ("127.0.0.1:8000", "http://127.0.0.1:9000", False),
    "a file, or a sandbox": ("127.0.0.1:8000", "null", False),
    "an empty origin": ("127.0.0.1:8000", "", False),
    "a name that was rebound": ("evil.example:8000", "http://evil.example:8000", False),
    "such a name without an origin": ("evil.example:8000", None, False),
    "a name that begins as ours": ("localhost.evil.example", None, False),
    "a name that looks like an address": ("127.0.0.1.evil.example", None, False),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("verb", ["infer", "train", "versions"])
def test_who_may_ask_an_open_service(tmp_path: Path, verb: str, row: tuple[str, str | None, bool]) -> None:
    """403 with the way out; nothing is changed; health is told to everybody."""
    host, origin, answered = row
    client = create_app(Settings(data_dir=tmp_path, threads=1)).test_client()
    assert client.put("/v2/models/m", json=SIMPLE_CNN).status_code == 201
    headers = {"Host": host, **({} if origin is None else {"Origin": origin})}
    body = {"inputs": batch()["inputs"][: 1 if verb == "infer" else 2]}
    method = "GET" if verb == "versions" else "POST"
    reply = client.open(f"/v2/models/m/{verb}", method=method, json=body if method == "POST" else None, headers=headers)
    assert reply.status_code == (200 if answered else 403), reply.json
    if not answered:
        assert reply.json["code"] == "forbidden"
        assert "key" in reply.json["error"]
        assert len(client.get("/v2/models/m/versions").json["versions"]) == 1
    assert client.get("/v2/health/ready", headers=headers).status_code == 200
    assert client.get("/nothing", headers=headers).status_code == (404 if answered else 403)


def test_a_key_or_a_proxy_decides_otherwise(tmp_path: Path) -> None:
    """A page that has a key may use it, and with --insecure something in front asks."""
    foreign = {"Host": "models.example", "Origin": "https://app.example"}
    insecure = create_app(Settings(data_dir=tmp_path, threads=1, insecure=True)).test_client()
    assert insecure.get("/v2", headers=foreign).status_code == 200
    key = keys.create(Store.open(tmp_path), "page", (Scope.INFER,))
    guarded = create_app(Settings(data_dir=tmp_path, threads=1)).test_client()
    assert guarded.get("/v2", headers={**foreign, "Authorization": f"Bearer {key}"}).status_code == 200
    assert guarded.get("/v2", headers=foreign).status_code == 401


@pytest.mark.parametrize("host", ["[::1]:8000", "[::1]", "10.0.0.7", "LOCALHOST:1", "192.168.0.1:80"])
def test_addresses_are_no_names(host: str) -> None:
    """No name server can make them mean something else."""
    assert local(host)
