"""One client: plain requests, one connection at a time, no retries, so that every reply and every break is seen."""

from collections.abc import Callable, Mapping

import requests

from tests.crash.messages import Answer, Write
from tests.crash.promises import BrokenPromise

CONNECT_SECONDS = 5
REPLY_SECONDS = 30
FRESH_CONNECTION = 16  # requests on one connection: a new one may reach another worker


class Caller:
    """Sends to the address that `url` gives at that moment."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._session = _session()
        self._sent = 0

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer | None:
        """The reply; None where the connection broke, which tells nothing about what was done."""
        self._sent += 1
        if self._sent % FRESH_CONNECTION == 0:
            self._renew()
        try:
            reply = self._session.request(
                method, self._url() + path, data=body, headers=headers, timeout=(CONNECT_SECONDS, REPLY_SECONDS)
            )
        except requests.ReadTimeout as error:
            raise BrokenPromise("a request is answered", f"{method} {path}: none in {REPLY_SECONDS} s") from error
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            self._renew()
            return None
        told = reply.headers
        answer = Answer(
            reply.status_code,
            reply.content,
            told.get("Content-Type"),
            told.get("Inference-Header-Content-Length"),
            told.get("Convserve-Model-Version"),
            told.get("ETag"),
        )
        if answer.status >= 500 and answer.status != 503:
            raise BrokenPromise("a crash is no internal error", f"{method} {path}: {answer}")
        return answer

    def write(self, write: Write) -> Answer | None:
        return self.send(write.method, write.path, write.body, write.headers)

    def get(self, path: str) -> Answer:
        """A reply that must come: for checks, while nobody kills."""
        answer = self.send("GET", path)
        if answer is None or answer.status != 200:
            raise BrokenPromise("a service that is ready answers", f"GET {path}: {answer}")
        return answer

    def close(self) -> None:
        self._session.close()

    def _renew(self) -> None:
        self._session.close()
        self._session = _session()


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session
