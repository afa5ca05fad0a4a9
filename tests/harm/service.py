"""A service under attack, and what its answers may never tell."""

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.processes import descendants
from tests.servers import Server, serving
from tests.service.calls import batch, call, versions
from tests.service.specs import SIMPLE_CNN

INSIDE = re.compile(
    r'Traceback|File "|\.py\b|site-packages|sqlite|SELECT |INSERT |catalog|blobs|0x[0-9a-f]{6}|<class|Errno|object at'
)
KNOWN = re.compile(r"/v2[\w/.{}-]*|(image|multipart|application)/[\w-]+|(grad|buffer)/")
REFUSED = (400, 404, 405, 413, 415, 422)
MOST = 600  # characters of an answer
CANARY = "canary-that-no-answer-holds"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Target:
    """The service, its model `m` at version 2, and what was around it before."""

    server: Server
    around: set[str]

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """A request with the path exactly as it is."""
        address = urlsplit(self.server.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.putheader("Content-Length", str(len(body or b"")))
            connection.endheaders(body)
            reply = connection.getresponse()
            return Answer(reply.status, dict(reply.headers), reply.read())
        finally:
            connection.close()

    def check_refused(self, answer: Answer, statuses: tuple[int, ...] = REFUSED, *, sent: str = "") -> None:
        """One of ours: JSON, a sentence and a code, that tells nothing of the inside and little of what was sent."""
        assert answer.status in statuses, (answer.status, answer.body[:300])
        error = answer.json()
        assert set(error) <= {"error", "code", "where"}, error
        text = " ".join(str(value).replace(sent or "\0", "") for value in error.values())
        assert len(text) <= MOST
        assert not INSIDE.search(text), text
        assert CANARY not in text
        assert str(self.server.data_dir) not in text
        assert "/" not in KNOWN.sub("", text), text
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Request-Id"]
        assert not re.search(r"\d", answer.headers["Server"])

    def check_unharmed(self) -> None:
        """Nothing lies around that was not there; the model is as it was, and answers."""
        assert {path.name for path in self.server.data_dir.parent.iterdir()} == self.around
        assert [row["version"] for row in versions(self.server.url, "m")] == ["2", "1"]
        x = batch(1)["inputs"][:1]
        assert call("POST", f"{self.server.url}/v2/models/m/infer", {"inputs": x}).status_code == 200
        assert call("GET", f"{self.server.url}/v2/datasets").json() == {"datasets": []}
        assert [model["name"] for model in call("POST", f"{self.server.url}/v2/repository/index").json()] == ["m"]

    def peak(self) -> int:
        """The most memory that a process of the service had, in bytes."""
        status = [Path(f"/proc/{pid}/status").read_text() for pid in descendants(self.server.process.pid)]
        return 1024 * max(int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) for text in status)


@contextmanager
def target(folder: Path) -> Iterator[Target]:
    """A service on `folder`/data beside files that are none of its business; afterwards it must be unharmed."""
    (folder / "outside").mkdir()
    for name in ("secret", "secret.safetensors", "catalog.sqlite"):
        (folder / "outside" / name).write_text(CANARY)
    (folder / "secret").write_text(CANARY)
    with serving(folder / "data") as server:
        call("PUT", f"{server.url}/v2/models/m", SIMPLE_CNN).raise_for_status()
        call("POST", f"{server.url}/v2/models/m/train", batch()).raise_for_status()
        found = Target(server, {path.name for path in folder.iterdir()})
        yield found
        found.check_unharmed()
