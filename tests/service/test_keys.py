"""API keys: who may do what, on a service of two workers that has keys."""

import http.client
import itertools
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from convserve_service import keys, verbs
from convserve_service.auth import STALE_SECONDS, Gate
from convserve_service.errors import Unauthenticated
from convserve_service.operations import Operation, Scope
from convserve_service.settings import Settings
from convserve_service.store import schema
from convserve_service.store.store import Store
from convserve_wire.paths import fill
from tests.servers import Server, serving
from tests.service.calls import batch, call, versions
from tests.service.specs import SIMPLE_CNN

SECONDS = 1.0  # in which every worker knows
OPERATIONS = [value for value in vars(verbs).values() if isinstance(value, Operation)]
SCOPES = {"everything": (Scope.ADMIN,), "two": (Scope.INFER, Scope.TRAIN), **{scope: (scope,) for scope in Scope}}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A service and its keys by name: one for each scope and one for two of them."""
    folder = tmp_path_factory.mktemp("guarded")
    made = {name: keys.create(Store.open(folder), name, scopes) for name, scopes in SCOPES.items()}
    with serving(folder, "--workers", "2") as server:
        call("PUT", f"{server.url}/v2/models/m", SIMPLE_CNN, **bearer(made["admin"])).raise_for_status()
        yield server, made


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def path(operation: Operation) -> str:
    return fill(operation.path, model="nobody", alias="a", dataset="nobody", job="999", asset="nothing")


@pytest.mark.parametrize("name", SCOPES)
def test_a_key_opens_its_scopes_and_nothing_else(guarded: tuple[Server, dict[str, str]], name: str) -> None:
    """Every operation of the table: 403 that names the scope, or an answer that is neither 401 nor 403."""
    server, made = guarded
    for operation in OPERATIONS:
        reply = call(operation.method, server.url + path(operation), **bearer(made[name]))
        good = operation.scope is None or operation.scope in SCOPES[name] or Scope.ADMIN in SCOPES[name]
        assert (reply.status_code == 403) is not good, operation.name
        assert reply.status_code != 401
        if not good:
            assert reply.json()["code"] == "forbidden"
            assert f"scope {operation.scope}" in reply.json()["error"]


WRONG = "cs_000000000000_" + "A" * 43
HEADERS: dict[str, Callable[[str], str | None]] = {
    "none": lambda key: None,
    "another": lambda key: WRONG,
    "no scheme": lambda key: key,
    "Basic": lambda key: f"Basic {key}",
    "nothing behind it": lambda key: "Bearer ",
    "the id of one and the secret of another": lambda key: f"Bearer {key[:16]}{WRONG[16:]}",
    "cut": lambda key: f"Bearer {key[:-1]}",
    "longer": lambda key: f"Bearer {key}A",
    "two": lambda key: f"Bearer {key}, Bearer {key}",
    "another case": lambda key: f"Bearer {key.swapcase()}",
    "Latin-1": lambda key: f"Bearer {key[:-1]}\xe9",
    "huge": lambda key: f"Bearer {key * 50}",
    "SQL": lambda key: "Bearer ' OR 1=1 --",
}


@pytest.mark.parametrize("form", HEADERS)
def test_who_is_nobody_learns_nothing(guarded: tuple[Server, dict[str, str]], form: str) -> None:
    """401, the same for what is there, for what is not, and for wrong methods; only health is open."""
    server, made = guarded
    header = HEADERS[form](made["admin"])
    sent = {} if header is None else {"Authorization": header}
    answers = set()
    for method, at in (
        ("GET", "/v2/models/m"), ("GET", "/v2/models/nobody"), ("GET", "/nothing"), ("PATCH", "/v2"),
        ("POST", "/v2/models/m/infer"), ("OPTIONS", "/v2/models/m"), ("GET", "/v2/models/m/"), ("GET", "//v2"),
    ):  # fmt: skip
        reply = call(method, server.url + at, **sent)
        assert (reply.status_code, reply.headers["WWW-Authenticate"]) == (401, "Bearer"), at
        answers.add(reply.text)
        assert made["admin"][16:] not in reply.text
    assert len(answers) == 1
    assert json.loads(answers.pop())["code"] == "unauthenticated"
    for at in ("/v2/health/live", "/v2/health/ready"):
        assert call("GET", server.url + at, **sent).status_code == 200


def test_any_change_of_a_key_is_refused(guarded: tuple[Server, dict[str, str]]) -> None:
    """One character at each place."""
    server, made = guarded
    key = made["infer"]
    with requests.Session() as session:
        for at in range(len(key)):
            other = key[:at] + ("B" if key[at] != "B" else "C") + key[at + 1 :]
            assert session.get(f"{server.url}/v2", headers=bearer(other), timeout=10).status_code == 401
        for form in (f"bearer {key}", f"BEARER  {key}"):
            assert session.get(f"{server.url}/v2", headers={"Authorization": form}, timeout=10).status_code == 200


def test_the_connection_survives_a_refused_body(guarded: tuple[Server, dict[str, str]]) -> None:
    """A body of 8 MiB that nobody reads is answered with 401, and the next request on the connection with 200."""
    server, made = guarded
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    connection.request("POST", "/v2/models/m/infer", bytes(8 << 20))
    reply = connection.getresponse()
    assert (reply.status, json.loads(reply.read())["code"]) == (401, "unauthenticated")
    socket = connection.sock
    connection.request("GET", "/v2", headers=bearer(made["infer"]))
    reply = connection.getresponse()
    assert (reply.status, json.loads(reply.read())["name"]) == (200, "convserve")
    assert connection.sock is socket
    connection.close()


def test_an_idempotency_key_belongs_to_its_api_key(guarded: tuple[Server, dict[str, str]]) -> None:
    """Two clients use the same one: both are applied, and each gets its own reply again; others see nothing."""
    server, made = guarded
    url = f"{server.url}/v2/models/m/train"
    sent = {"Idempotency-Key": "the-same"}
    first = [call("POST", url, batch(), **sent, **bearer(made[name])) for name in ("train", "two")]
    again = [call("POST", url, batch(), **sent, **bearer(made[name])) for name in ("train", "two")]
    assert first[0].json()["model_version"] != first[1].json()["model_version"]
    assert [reply.content for reply in again] == [reply.content for reply in first]
    assert call("POST", url, batch(3), **sent, **bearer(made["admin"])).status_code == 200
    assert call("POST", url, batch(), **sent, **bearer(made["infer"])).status_code == 403
    assert call("POST", url, batch(), **sent).status_code == 401


def everybody(url: str, headers: dict[str, str], status: int) -> Callable[[], bool]:
    """Whether twenty new connections, which both workers share, all get this status."""

    def check() -> bool:
        return {call("GET", f"{url}/v2", **headers).status_code for _ in range(20)} == {status}

    return check


def within(seconds: float, check: Callable[[], bool]) -> None:
    """It becomes true in time, and stays."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)
    assert check()


def test_workers_learn_of_keys_within_a_second(tmp_path: Path) -> None:
    """Open on loopback without keys; from the first key on closed; a revoked key stops; without keys open again."""
    with serving(tmp_path, "--workers", "2") as server:
        store = Store.open(tmp_path)
        assert everybody(server.url, {}, 200)()
        key = keys.create(store, "first", (Scope.INFER,))
        within(SECONDS, everybody(server.url, {}, 401))
        assert everybody(server.url, bearer(key), 200)()
        keys.create(store, "second", (Scope.INFER,))
        keys.revoke(store, "first")
        within(SECONDS, everybody(server.url, bearer(key), 401))
        keys.revoke(store, "second")
        within(SECONDS, everybody(server.url, {}, 200))


def test_without_keys_a_public_service_refuses_everybody(tmp_path: Path) -> None:
    """`127.1` is loopback to the kernel and unknown to us: after its last key is revoked, nobody gets in."""
    store = Store.open(tmp_path)
    key = keys.create(store, "only", (Scope.INFER,))
    with serving(tmp_path, "--host", "127.1") as server:
        assert call("GET", f"{server.url}/v2", **bearer(key)).status_code == 200
        keys.revoke(store, "only")
        within(SECONDS, everybody(server.url, bearer(key), 401))
        assert call("GET", f"{server.url}/v2").status_code == 401
        assert call("GET", f"{server.url}/v2/health/ready").status_code == 200


def test_an_insecure_service_is_open(tmp_path: Path) -> None:
    """Until there is a key."""
    with serving(tmp_path, "--host", "127.1", "--insecure") as server:
        assert everybody(server.url, {}, 200)()
        keys.create(Store.open(tmp_path), "first", (Scope.INFER,))
        within(SECONDS, everybody(server.url, {}, 401))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True), ("[::1]", True),
        ("0.0.0.0", False), ("::", False), ("", False), ("10.0.0.1", False), ("example.com", False),
        ("localhost.example.com", False), ("127.1", False), ("0", False),
    ],
)  # fmt: skip
def test_what_is_loopback(host: str, loopback: bool) -> None:
    """What is not certainly loopback is not."""
    assert Settings(host=host).loopback is loopback


def test_keys_known_last_count_while_the_catalog_cannot_be_read(store: Store) -> None:
    """Predictions go on; when it can be read again, so are the keys."""
    now = itertools.count(0.0, STALE_SECONDS)
    key = keys.create(store, "k", (Scope.INFER,))
    gate = Gate(store.catalog, open_without_keys=True, clock=lambda: next(now))
    catalog = store.folder / "catalog.sqlite"
    for connection in (sqlite3.connect(catalog, isolation_level=None),):
        connection.execute("ALTER TABLE keys RENAME TO elsewhere")
        assert gate.admit(verbs.INFER, f"Bearer {key}") is not None
        with pytest.raises(Unauthenticated):
            gate.admit(verbs.INFER, None)
        connection.execute("ALTER TABLE elsewhere RENAME TO keys")
        connection.close()
    keys.revoke(store, "k")
    assert gate.admit(verbs.INFER, None) is None


def test_only_a_hash_is_kept(guarded: tuple[Server, dict[str, str]]) -> None:
    """No file of the data directory holds a secret."""
    server, made = guarded
    secrets = [key[16:].encode() for key in made.values()]
    for file in server.data_dir.rglob("*"):
        data = file.read_bytes() if file.is_file() else b""
        assert not any(secret in data for secret in secrets), file


def test_keys_are_long_and_all_different(store: Store) -> None:
    """256 bits in base64url behind an id; no two share either."""
    made = [keys.create(store, f"k{number}", (Scope.INFER,)) for number in range(50)]
    assert all(re.fullmatch(r"cs_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", key) for key in made)
    assert len({key[:16] for key in made}) == len({key[16:] for key in made}) == 50


def test_a_catalog_of_the_first_format_is_upgraded(tmp_path: Path) -> None:
    """With a model in it; opening it adds the keys, and everything is still there."""
    with serving(tmp_path) as running:
        call("PUT", f"{running.url}/v2/models/old", SIMPLE_CNN).raise_for_status()
        call("POST", f"{running.url}/v2/models/old/train", batch(), Idempotency_Key="k").raise_for_status()
        before = versions(running.url, "old")
    connection = sqlite3.connect(tmp_path / "catalog.sqlite", isolation_level=None)
    connection.execute("DROP TABLE keys")
    connection.execute("PRAGMA user_version = 1")
    fresh = sqlite3.connect(":memory:")
    fresh.executescript(schema.STEPS[0])
    tables = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"
    assert connection.execute(tables).fetchall() == fresh.execute(tables).fetchall()
    connection.close()
    fresh.close()
    with serving(tmp_path) as running:
        assert versions(running.url, "old") == before
        again = call("POST", f"{running.url}/v2/models/old/train", batch(), Idempotency_Key="k")
        assert again.json()["model_version"] == "2"
    store = Store.open(tmp_path)
    key = keys.create(store, "new", (Scope.INFER,))
    assert [row.name for row in Store.open(tmp_path).catalog.api_keys()] == ["new"]
    assert Gate(store.catalog, open_without_keys=False).admit(verbs.INFER, f"Bearer {key}") is not None
