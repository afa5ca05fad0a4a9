"""Retries are safe: what may be repeated is, under the same key, and what may not is told at once."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from convserve_client import Client, Conflict, ConnectionFailed, Invalid, Retries, ServerError
from convserve_client.retries import seconds
from convserve_client.transport import Transport
from tests.client.flaky import DROP, flaky

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


def test_nobody_there() -> None:
    """The error says what to do."""
    with pytest.raises(ConnectionFailed, match="convserve serve"):
        transport("http://127.0.0.1:9", [], count=1).read("GET", "/x")
    assert not Client("http://127.0.0.1:9").ready()


def test_retry_after_is_a_number_or_a_date() -> None:
    """Both forms of RFC 9110; what is neither counts as absent."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert seconds("1.5") == 1.5
    assert seconds(date) == pytest.approx(30, abs=2)
    assert seconds("soon") is None
    assert seconds(None) is None
