"""Retries are safe: what may be repeated is, under the same key, and what may not is told at once."""

import io
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Thread

import pytest
import requests

from convserve_client import (
    Client,
    Conflict,
    ConnectionFailed,
    Invalid,
    PreconditionFailed,
    ReplyError,
    RequestTimeout,
    Retries,
    ServerError,
)
from convserve_client.failures import refusal
from convserve_client.retries import seconds
from convserve_client.transport import Transport
from tests.client.flaky import CUT, DROP, HANG, flaky

BUSY = (503, "busy", {"Retry-After": "2"})
FLIGHT = (409, "key_in_flight", {"Retry-After": "1"})


def transport(url: str, slept: list[float], count: int = 4) -> Transport:
    return Transport(url, timeout=(1, 5), retries=Retries(count, 0.01), sleep=slept.append)


def test_a_write_is_repeated_under_its_own_key() -> None:
    """Dropped twice, then busy, then applied: four times the same key and body, and the server's wait is kept."""
    slept: list[float] = []
    with flaky([(DROP, "", {}), (DROP, "", {}), BUSY]) as server:
        transport(server.url, slept).write("POST", "/x", b"body")
        assert len(server.requests) == 4
        assert len({(key, body) for _, _, key, body in server.requests}) == 1
        assert server.requests[0][2]
    assert slept[2] == 2.0


def test_every_write_has_a_key_of_its_own() -> None:
    """Two calls are two keys; a caller's key is kept."""
    with flaky([]) as server:
        client = transport(server.url, [])
        for key in (None, None, "mine"):
            client.write("POST", "/x", b"body", key=key)
        keys = [key for _, _, key, _ in server.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


def test_a_write_in_flight_is_asked_for_again() -> None:
    """409 key_in_flight means that the first one still runs."""
    with flaky([FLIGHT, FLIGHT]) as server:
        transport(server.url, []).write("POST", "/x", b"")
        assert len(server.requests) == 3


@pytest.mark.parametrize(("status", "kind"), [(400, Invalid), (409, Conflict), (422, Invalid), (500, ServerError)])
def test_a_refusal_is_told_at_once(status: int, kind: type[Exception]) -> None:
    """The error has the server's sentence, status and code; nothing is repeated."""
    with flaky([(status, "some_code", {"X-Request-Id": "r1"})]) as server:
        with pytest.raises(kind, match="a reason") as caught:
            transport(server.url, []).write("POST", "/x", b"")
        assert len(server.requests) == 1
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (status, "some_code", "r1")  # type: ignore[attr-defined]


def test_retries_end() -> None:
    """After the last one the failure is raised."""
    slept: list[float] = []
    with flaky([BUSY] * 9) as server:
        with pytest.raises(ServerError):
            transport(server.url, slept, count=3).read("GET", "/x")
        assert len(server.requests) == 4
    assert slept == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("failure", [(DROP, "", {}), (CUT, "", {}), (429, "", {}), (502, "", {}), (504, "", {})])
def test_a_read_is_repeated(failure: tuple[int, str, dict[str, str]]) -> None:
    """GET and the POST of a verb that changes nothing; without a key, which they do not need."""
    with flaky([failure, failure]) as server:
        assert transport(server.url, []).read("GET", "/x").json() == {"ready": True}
        transport(server.url, []).read("POST", "/x", b"body")
        assert [key for _, _, key, _ in server.requests] == [None] * 4


def test_a_connection_that_always_breaks_is_one_error() -> None:
    """Not one of requests' or urllib3's; the waits grow within their limits."""
    slept: list[float] = []
    with flaky([(DROP, "", {})] * 9) as server:
        broken = Transport(
            server.url, timeout=(1, 5), retries=Retries(4, 1.0, 3.0), sleep=slept.append, uniform=lambda low, high: high
        )
        with pytest.raises(ConnectionFailed):
            broken.write("POST", "/x", b"body")
        assert len({key for _, _, key, _ in server.requests}) == 1
    assert slept == [1.0, 2.0, 3.0, 3.0]


def test_no_wait_is_shorter_than_asked_and_all_fit_the_budget() -> None:
    """Two waits of 12 s fit into 30 s, a third does not: the failure is told instead of asking too early."""
    slept: list[float] = []
    with flaky([(503, "busy", {"Retry-After": "12"})] * 9) as server:
        with pytest.raises(ServerError):
            Transport(server.url, timeout=(1, 5), retries=Retries(9), sleep=slept.append).read("GET", "/x")
        assert len(server.requests) == 3
    assert slept == [12.0, 12.0]


def test_no_answer_in_time_is_an_error_of_its_own() -> None:
    """A write that is held goes out again under its key; what is never answered ends as RequestTimeout."""
    with flaky([(HANG, "", {})]) as server:
        Transport(server.url, timeout=(1, 0.2), retries=Retries(1, 0.01)).write("POST", "/x", b"")
        assert len({key for _, _, key, _ in server.requests}) == 1
        assert len(server.requests) == 2
    with flaky([(HANG, "", {})] * 2) as server, pytest.raises(RequestTimeout, match="longer timeout"):
        Transport(server.url, timeout=(1, 0.2), retries=Retries(1, 0.01)).read("GET", "/x")


def test_the_api_key_is_sent_whatever_netrc_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """requests would put netrc's password in its place."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with flaky([]) as server:
        assert Client(server.url, api_key="mine").ready()
        assert server.headers[0]["Authorization"] == "Bearer mine"


@pytest.mark.parametrize("form", ["{}", "{}/", "{}/v2", "{}/v2/"])
def test_an_address_may_be_written_in_any_way(form: str) -> None:
    """With or without a scheme, a slash, the protocol's root."""
    with flaky([]) as server:
        for url in (server.url, server.url.removeprefix("http://")):
            assert Client(form.format(url), retries=0).ready()
        assert {path for _, path, _, _ in server.requests} == {"/v2/health/ready"}


def test_threads_share_a_client_and_close_ends_all_connections() -> None:
    """Each thread has its connections; every key is its own; after close the client works on."""
    with flaky([]) as server:
        shared = transport(server.url, [])
        threads = [Thread(target=shared.write, args=("POST", "/x", b"")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        shared.close()
        shared.write("POST", "/x", b"")
        assert len({key for _, _, key, _ in server.requests}) == 9


def test_nobody_there() -> None:
    """The error says what to do."""
    with pytest.raises(ConnectionFailed, match="convserve serve"):
        transport("http://127.0.0.1:9", [], count=1).read("GET", "/x")
    assert not Client("http://127.0.0.1:9").ready()
    assert not Client("http://127.0.0.1:9").live()


def test_somebody_else_is_there() -> None:
    """A server that is no convserve is not ready, and not a crash."""
    with flaky([]) as server:
        assert not Client(server.url).live()
        with pytest.raises(ReplyError):
            Client(server.url).model("m").versions()


def test_retry_after_is_a_number_or_a_date() -> None:
    """Both forms of RFC 9110; what is neither counts as absent."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert seconds("1.5") == 1.5
    assert seconds(date) == pytest.approx(30, abs=2)
    assert seconds(None) is None
    for neither in ("soon", "²", f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", f"Mon, 01 Jan 2026 00:00:00 +{'9' * 20}"):
        assert seconds(neither) is None


@pytest.mark.parametrize(("sent", "version"), [("41", 41), ("9" * 5000, None), ("4²", None), ("-1", None), ("", None)])
def test_a_refusal_tells_the_version_where_it_is_one(sent: str, version: int | None) -> None:
    """Of the model whose `If-Match` did not hold."""
    headers = {"Convserve-Model-Version": sent.encode().decode("latin-1")}
    with flaky([(412, "precondition_failed", headers)]) as server, pytest.raises(PreconditionFailed) as caught:
        transport(server.url, []).write("POST", "/x", b"")
    assert caught.value.current_version == version


ODD_BODIES = {
    "no JSON": b"<html>",
    "no object": b"[]",
    "nothing in it": b"{}",
    "a reason that is none": b'{"error": 1, "code": [], "where": {}}',
    "a reason of a thousand lists": b'{"error": ' + b"[" * 1000 + b"]" * 1000 + b"}",
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
def test_a_refusal_of_somebody_else_is_told_by_its_status(body: bytes) -> None:
    """A proxy, say, which knows nothing of our errors."""
    response = requests.Response()
    response.status_code, response.reason, response.raw = 403, "Forbidden", io.BytesIO(body)
    error = refusal(response)
    assert (str(error), error.code, error.where) == ("the server answered 403 Forbidden", "unknown", None)
