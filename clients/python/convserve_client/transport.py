"""HTTP with timeouts and safe retries: a write goes out again only under the idempotency key that it had before."""

import random
import re
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import requests

from convserve_client.errors import (
    ConnectionFailed,
    ConvserveError,
    ReplyError,
    RequestError,
    RequestTimeout,
)
from convserve_client.events import lines
from convserve_client.failures import refusal, unreachable
from convserve_client.retries import Retries, again
from convserve_wire.envelope import HEADER_LENGTH

Timeout = tuple[float, float]
DEFAULTS = {
    "User-Agent": f"convserve-client {requests.utils.default_user_agent()}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # tensors do not compress, and time does not come back
}
EVENTS = "text/event-stream"
VISIBLE = re.compile(r"[\x21-\x7e]+")
QUIET = 20.0  # seconds without a byte after which a stream is dead: the service ends one after 10


@dataclass(frozen=True)
class Reply:
    """A successful reply: body and headers."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def header_length(self) -> str | None:
        return self.headers.get(HEADER_LENGTH)

    def json(self) -> Any:
        """The body; ReplyError where it is not JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise ReplyError("the reply is not JSON; is there a convserve service at this address?") from error


class Bearer(requests.auth.AuthBase):
    """The API key; as an auth object, because a netrc file would overwrite a plain header."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key.strip()
        if not VISIBLE.fullmatch(self._api_key):
            raise ConvserveError("the API key holds characters that no key has; is it the right one?")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._api_key}"
        return request


class Transport:
    """Sends requests to one service; safe to share between threads, each of which has its own connections."""

    def __init__(
        self,
        url: str,
        *,
        timeout: Timeout,
        retries: Retries,
        api_key: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/").removesuffix("/v2")
        self._timeout = timeout
        self._retries = retries
        self._auth = Bearer(api_key) if api_key else None
        self._sleep = sleep
        self._uniform = uniform
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()  # they end with their threads

    def read(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """A request that changes nothing and may always be repeated."""
        return self._send(method, path, body, headers)

    def read_files(self, path: str, files: list[tuple[str, tuple[str, bytes]]]) -> Reply:
        """POST parts of a multipart body, to a verb that changes nothing."""
        prepared = requests.Request("POST", self.url, files=files).prepare()
        return self._send("POST", path, prepared.body, {"Content-Type": prepared.headers["Content-Type"]})

    def once(self, method: str, path: str) -> Reply:
        """A request without repeats."""
        return self._send(method, path, None, {}, retries=Retries(count=0))

    def write(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        if_match: int | None = None,
        **headers: str,
    ) -> Reply:
        """A request that changes something: applied once, however often it must be sent."""
        headers["Idempotency-Key"] = key or uuid.uuid4().hex
        if if_match is not None:
            headers["If-Match"] = f'"{if_match}"'
        return self._send(method, path, body, headers)

    @contextmanager
    def stream(self, method: str, path: str, headers: Mapping[str, str]) -> Iterator[Iterator[str] | None]:
        """The lines of an event stream while they come, None where there is none; it is not repeated."""
        timeout = (self._timeout[0], min(self._timeout[1], QUIET))
        sent = {"Accept": EVENTS, **headers}
        try:
            prepared = self._prepared(method, path, None, sent)
            with self._session().send(prepared, timeout=timeout, stream=True) as response:
                if not response.ok:
                    raise refusal(response)
                if response.status_code == 204:
                    yield None
                elif response.headers.get("Content-Type", "").startswith(EVENTS):
                    yield lines(response.iter_content(None))
                else:
                    raise ReplyError("the reply is not a stream of events; is there a convserve service here?")
        except requests.RequestException as error:
            raise unreachable(self.url, error) from error

    def close(self) -> None:
        """Close the connections of every thread; the next request opens new ones."""
        with self._lock:
            for session in self._sessions:
                session.close()

    def _send(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], retries: Retries | None = None
    ) -> Reply:
        retries = retries or self._retries
        sent = dict(headers)
        if isinstance(body, (dict, list)):
            body, sent["Content-Type"] = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), "application/json"
        attempt, waited = 0, 0.0
        while True:
            failure: ConnectionFailed | RequestTimeout | RequestError
            try:
                response = self._session().send(self._prepared(method, path, body, sent), timeout=self._timeout)
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                failure, retry_after = unreachable(self.url, error), None
            except requests.RequestException as error:
                raise ConnectionFailed(f"{method} {self.url}{path} cannot be sent: {error}") from error
            else:
                if response.ok:
                    return Reply(response.content, response.headers)
                failure, retry_after = refusal(response), response.headers.get("Retry-After")
                if not again(failure.status, failure.code):
                    raise failure
            wait = retries.wait(attempt, waited, retry_after, self._uniform)
            if wait is None:
                raise failure
            self._sleep(wait)
            attempt, waited = attempt + 1, waited + wait

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            found = session.merge_environment_settings(self.url, {}, None, None, None)
            session.proxies, session.verify = found["proxies"], found["verify"]
            session.trust_env = False  # it was asked once: for each request that takes as long as sending it
            with self._lock:
                self._sessions.add(session)
        return session

    def _prepared(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> requests.PreparedRequest:
        sent = {**DEFAULTS, **headers}
        return requests.Request(method, self.url + path, data=body, headers=sent, auth=self._auth).prepare()
