"""A headless Chromium and its DevTools protocol over two pipes; no driver, no socket.

Source: Chrome DevTools Protocol. Messages are JSON that ends with a zero byte, on descriptors 3 and 4 of the browser.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEAD = "127.0.0.1:9"  # the discard port: a proxy that nobody runs
FLAGS = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe", "--window-size=1280,1600",
    f"--proxy-server={DEAD}", "--proxy-bypass-list=<-loopback>;127.0.0.1",
)  # fmt: skip
PIPES = 'exec "$@" 3<&"$TO_BROWSER" 4>&"$FROM_BROWSER"'
SECONDS = 30.0


def find() -> str | None:
    """Where Chromium is, if it is there."""
    return shutil.which("chromium")


class Page:
    """One page; `events` are all that it told, as (method, params), in order."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._rest = b""
        self._last = 0
        self._session: str | None = None
        self.events: list[tuple[str, dict[str, Any]]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log", "Audits"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive(SECONDS)
            assert answer is not None, f"no answer to {method}"
            if answer.get("id") == self._last:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]  # type: ignore[no-any-return]

    def go(self, url: str) -> None:
        """Open an address."""
        self.call("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """What JavaScript says."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, expression: str) -> None:
        """Until JavaScript finds it true."""
        end = time.monotonic() + SECONDS
        while not self.value(f"Boolean({expression})"):
            assert time.monotonic() < end, f"{expression} is not true after {SECONDS:g} s"
            time.sleep(0.05)

    def requests(self) -> list[dict[str, Any]]:
        """Every request of the page."""
        self._drain()
        return [told["request"] for method, told in self.events if method == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """Errors of the console, exceptions, violations of the policy."""
        self._drain()
        return [json.dumps(told)[:500] for method, told in self.events if _complains(method, told)]

    def picture(self, path: Path) -> None:
        """A screenshot as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _drain(self) -> None:
        while self._receive(0.2) is not None:
            pass

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        """The next message, None where none comes; events are kept."""
        while b"\0" not in self._rest:
            if not select.select([self._from], [], [], seconds)[0]:
                return None
            data = os.read(self._from, 1 << 20)
            assert data, "Chromium ended"
            self._rest += data
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append((message["method"], message.get("params", {})))
        return message


def _complains(method: str, told: dict[str, Any]) -> bool:
    return (
        method == "Runtime.exceptionThrown"
        or (method == "Audits.issueAdded" and told["issue"]["code"] == "ContentSecurityPolicyIssue")
        or (method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"))
        or (method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"))
    )


@contextmanager
def page(profile: Path) -> Iterator[Page]:
    """A page in a browser of its own, which reaches nothing but 127.0.0.1."""
    reads_browser, to_browser = os.pipe()
    from_browser, writes_browser = os.pipe()
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    command = ["bash", "-c", PIPES, "bash", str(find()), *FLAGS, *sandbox, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        command, pass_fds=(reads_browser, writes_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "TO_BROWSER": str(reads_browser), "FROM_BROWSER": str(writes_browser)},
    )  # fmt: skip
    os.close(reads_browser)
    os.close(writes_browser)
    try:
        yield Page(to_browser, from_browser)
    finally:
        os.close(to_browser)  # the browser ends when nobody can command it
        os.close(from_browser)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
