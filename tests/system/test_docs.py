"""The page /docs, over HTTP and in a real Chromium that reaches nothing but the service."""

import hashlib
import http.client
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from convserve_service.docs.assets import FILES, POLICY
from tests.service.calls import call
from tests.service.specs import SIMPLE_CNN
from tests.system.chromium import Page, find, page

OPERATIONS = 40  # and more are shown
PATHS = ["/", "/docs", "/docs/", "/openapi.json", *(f"/docs/{name}" for name in FILES)]
OUTSIDE = [
    "/docs/../assets.py", "/docs/..%2fassets.py", "/docs/%2e%2e/assets.py", "/docs/page/index.html", "/docs/index.html",
    "/docs//etc/passwd", "/docs/%2fetc%2fpasswd", "/docs/swagger-ui.css%00", "/docs/LICENSE", "/docs/__init__.py",
]  # fmt: skip
in_chromium = pytest.mark.skipif(find() is None, reason="there is no chromium here")


@pytest.mark.parametrize("path", PATHS)
def test_every_file_comes_under_the_policy(server: str, path: str) -> None:
    """Nothing inline, nothing from elsewhere, no guessing of types, no frame; a second visit costs no bytes."""
    reply = call("GET", server + path, Accept="text/html, */*;q=0.8")
    assert reply.status_code == 200
    assert reply.headers["Content-Security-Policy"] == POLICY
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "unsafe" not in POLICY
    assert reply.headers["ETag"] == f'"sha256:{hashlib.sha256(reply.content).hexdigest()}"'
    again = call("GET", server + path, Accept="text/html, */*;q=0.8", If_None_Match=reply.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Content-Security-Policy"] == POLICY


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_other_file_can_be_asked_for(server: str, path: str) -> None:
    """A name that is not listed is a 404, however it is written."""
    connection = http.client.HTTPConnection(server.removeprefix("http://"), timeout=10)
    connection.request("GET", path)  # as it is: requests would tidy it up
    reply = connection.getresponse()
    assert reply.status in (400, 404)
    assert b'"code"' in reply.read()
    connection.close()


@pytest.fixture
def docs(server: str, tmp_path: Path) -> Iterator[Page]:
    """The page, when all operations are there."""
    with page(tmp_path / "profile") as shown:
        shown.go(server)
        shown.wait(f"document.querySelectorAll('.opblock').length > {OPERATIONS}")
        yield shown


def opened(docs: Page, operation: str) -> str:
    """Expand an operation and press `Try it out`; JavaScript that finds it."""
    found = f"document.getElementById('operations-{operation}')"
    docs.value(f"{found}.querySelector('.opblock-summary-control').click()")
    docs.wait(f"{found}.querySelector('.try-out__btn')")
    docs.value(f"{found}.querySelector('.try-out__btn').click()")
    docs.wait(f"{found}.querySelector('.execute')")
    return found


def executed(docs: Page, found: str) -> tuple[str, str]:
    """Press `Execute`: the status and the body that the page shows."""
    docs.value(f"{found}.querySelector('.execute').click()")
    row = f"{found}.querySelector('.live-responses-table tbody tr')"
    docs.wait(row)
    status, body = (f"{row}.querySelector('.response-col_{part}').innerText" for part in ("status", "description"))
    return docs.value(status).split()[0], docs.value(body)


def typed(docs: Page, field: str, text: str) -> None:
    """Type into the field that JavaScript finds, as a person would."""
    docs.value(f"{field}.focus(); {field}.select()")
    docs.call("Input.insertText", text=text)
    docs.value(f"{field}.blur()")


@in_chromium
def test_a_person_tries_it_out(docs: Page, server: str, name: str) -> None:
    """GET and POST from the page answer; nothing breaks the policy, and nothing leaves the service."""
    call("PUT", f"{server}/v2/models/{name}", SIMPLE_CNN).raise_for_status()
    status, body = executed(docs, opened(docs, "Server-server"))
    assert status == "200"
    assert '"convserve"' in body
    found = opened(docs, "Answers-infer")
    typed(docs, f"{found}.querySelector('input[placeholder=model]')", name)
    status, body = executed(docs, found)
    assert status == "200", body
    assert '"logits"' in body
    assert "convserve-model-version" in body.lower()
    asked = [request["url"] for request in docs.requests() if not request["url"].startswith("data:")]
    assert f"{server}/v2/models/{name}/infer" in asked
    assert [url for url in asked if not url.startswith(f"{server}/")] == []
    assert docs.complaints() == []


@in_chromium
def test_a_key_is_sent_once_it_is_given(docs: Page, server: str) -> None:
    """Authorize takes it; the next request has it as a bearer token."""
    docs.value("document.querySelector('.btn.authorize').click()")
    docs.wait("document.querySelector('.auth-container input')")
    typed(docs, "document.querySelector('.auth-container input')", "a-key")
    docs.value("document.querySelector('.auth-btn-wrapper .authorize').click()")
    docs.wait("document.querySelector('.auth-btn-wrapper .btn-done')")
    docs.value("document.querySelector('.auth-btn-wrapper .btn-done').click()")
    executed(docs, opened(docs, "Server-server"))
    sent = [request["headers"] for request in docs.requests() if request["url"] == f"{server}/v2"]
    assert [headers.get("Authorization") for headers in sent] == ["Bearer a-key"]
    assert docs.complaints() == []


@in_chromium
@pytest.mark.parametrize(
    "harm",
    [
        "fetch('http://example.com/').catch(() => 0)",
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.harmed = true'}))",
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">red</p>')",
        "document.body.append(Object.assign(new Image(), {src: 'http://example.com/x.png'}))",
    ],
)
def test_what_the_page_may_not_do_is_stopped_and_told(docs: Page, harm: str) -> None:
    """So that the silence of the tests above proves something."""
    docs.value(f"{harm}; 0")
    end = time.monotonic() + 10
    while not (told := docs.complaints()):
        assert time.monotonic() < end
    assert "Content" in told[0]
    assert docs.value("window.harmed") is None
