"""A server that fails as networks do: it drops, cuts or holds connections or answers with an error, then well."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

# in place of a status
DROP = 0  # the connection is closed without a reply
CUT = -1  # it is closed in the middle of the reply's body
HANG = -2  # nothing comes until the test is over


@dataclass
class Flaky:
    """`requests` is what arrived: method, path, idempotency key, body; `headers` those of each."""

    url: str
    requests: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def flaky(failures: Sequence[tuple[int, str, dict[str, str]]]) -> Iterator[Flaky]:
    """Fails as (status or DROP, CUT, HANG; code; headers) say, one after the other, and then answers 200."""
    left = list(failures)
    over = Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.requests.append((self.command, self.path, self.headers.get("Idempotency-Key"), body))
            seen.headers.append(dict(self.headers))
            status, code, headers = left.pop(0) if left else (200, "", {})
            if status == HANG:
                over.wait(30)
            if status in (DROP, HANG):
                self.close_connection = True
                return
            if status == CUT:
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"{")
                self.close_connection = True
                return
            reply = json.dumps({"ready": True} if status == 200 else {"error": "a reason", "code": code}).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(reply))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen = Flaky(f"http://127.0.0.1:{server.server_address[1]}")
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
