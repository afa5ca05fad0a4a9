"""The client's API key: sent to its service, told to nobody else."""

import logging
import traceback
from typing import Any

import pytest

from convserve_client import Client, ConnectionFailed, ConvserveError, Forbidden, Invalid, Retries, Unauthenticated
from tests.client.flaky import flaky

KEY = "cs_0123456789ab_" + "s3cret" * 7 + "x"


@pytest.mark.parametrize(
    ("status", "code", "kind"), [(401, "unauthenticated", Unauthenticated), (403, "forbidden", Forbidden)]
)
def test_refusals_have_classes_of_their_own(status: int, code: str, kind: type[Exception]) -> None:
    """At once, without repeats; they are no `Invalid`."""
    with flaky([(status, code, {})]) as server:
        with pytest.raises(kind) as caught:
            Client(server.url, api_key=KEY).models()
        assert len(server.requests) == 1
    assert not isinstance(caught.value, Invalid)


@pytest.mark.parametrize(
    ("given", "environment", "sent"),
    [(KEY, "other", KEY), (None, KEY, KEY), (f" {KEY}\n", None, KEY), ("", KEY, None), (None, None, None)],
)
def test_where_the_key_comes_from(
    given: str | None, environment: str | None, sent: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given, else CONVSERVE_API_KEY; an empty one is none; blanks around it, as files have, are not sent."""
    monkeypatch.delenv("CONVSERVE_API_KEY", raising=False)
    if environment is not None:
        monkeypatch.setenv("CONVSERVE_API_KEY", environment)
    with flaky([]) as server:
        Client(server.url, api_key=given).ready()
        assert server.headers[0].get("Authorization") == (None if sent is None else f"Bearer {sent}")


def told(value: Any) -> str:
    """All that a log or a debugger's window would show of an object and what hangs on it."""
    seen = [repr(value), str(value)]
    if isinstance(value, BaseException):
        seen += traceback.format_exception(value)
    for inner in vars(value).values() if hasattr(value, "__dict__") else ():
        seen.append(repr(inner))
    return "\n".join(seen)


def test_nothing_tells_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """Not the client and its parts, not errors of any kind, not the log at its loudest."""
    caplog.set_level(logging.DEBUG)
    failures = [(401, "unauthenticated", {}), (500, "internal", {}), (0, "", {}), (-1, "", {})]
    with flaky(failures) as server:
        client = Client(server.url, api_key=KEY, retries=Retries(0))
        for _ in failures:
            with pytest.raises(ConvserveError) as caught:
                client.models()
            assert KEY not in told(caught.value)
        with pytest.raises(ConnectionFailed) as caught:
            Client("http://127.0.0.1:9", api_key=KEY, retries=Retries(0)).models()
        assert KEY not in told(caught.value)
        for thing in (client, client._transport, client.model("m")):
            assert KEY not in told(thing)
        assert KEY not in repr(client._transport._auth)
    assert KEY not in caplog.text


@pytest.mark.parametrize("bad", ["a\nb", "a\r\nX-Evil: 1", "a b", "ä", "a\0"])
def test_a_key_that_is_none_is_refused_before_it_is_sent(bad: str) -> None:
    """Without being told, though requests would tell it."""
    with pytest.raises(ConvserveError, match="characters that no key has") as caught:
        Client("http://127.0.0.1:9", api_key=KEY + bad)
    assert KEY not in str(caught.value)


def test_a_redirect_takes_the_key_nowhere_else() -> None:
    """Another host or another port gets the request without it."""
    for host in ("localhost", "127.0.0.1"):
        with flaky([]) as other:
            target = other.url.replace("127.0.0.1", host) + "/v2/health/ready"
            with flaky([(307, "", {"Location": target})]) as server:
                assert Client(server.url, api_key=KEY).ready()
                assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
            assert "Authorization" not in other.headers[0]
