"""What the service says of itself: nothing where all is well; with --access-log a line for each request."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.servers import address, launch, stop
from tests.service.calls import batch, call
from tests.service.specs import SIMPLE_CNN

SECRETS = ("hidden-path", "hidden-query", "hidden-key", "hidden-body")


def lines(tmp_path: Path, *options: str) -> list[str]:
    """What stands in the log after a few requests, some with what nobody else may read."""
    log = tmp_path / "log"
    with log.open("w") as file:
        process = launch(tmp_path / "data", *options, log=file)
        url = address(process)
        call("PUT", f"{url}/v2/models/m", SIMPLE_CNN)
        call("POST", f"{url}/v2/models/m/versions/1/infer", {"inputs": batch()["inputs"][:1]}, X_Request_Id="a.b-c_1")
        call("POST", f"{url}/v2/models/m/train", b"hidden-body", Idempotency_Key="hidden-key")
        call("GET", f"{url}/hidden-path?q=hidden-query")
        stop(process)
    return log.read_text().splitlines()


def test_it_is_quiet_where_all_is_well(tmp_path: Path) -> None:
    """Mistakes of clients are no trouble of the service."""
    assert lines(tmp_path) == []


FIELDS = [
    ("PUT", "/v2/models/{model}", "create", 201, None),
    ("POST", "/v2/models/{model}/infer", "infer", 200, "m"),
    ("POST", "/v2/models/{model}/train", "train", 400, None),
    ("GET", None, "unmatched", 404, None),
]


def parsed(line: str) -> dict[str, Any]:
    """A line of logfmt; empty values as None."""
    return {key: value or None for key, value in re.findall(r"(\w+)=(\S*)", line)}


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_line_for_each_request(tmp_path: Path, form: str) -> None:
    """Its template, verb, status, time, model and id, in both forms; nothing that was sent, not even the path."""
    found = lines(tmp_path, "--access-log", "--log-format", form)
    assert not [secret for secret in SECRETS for line in found if secret in line]
    events = [json.loads(line) if form == "json" else parsed(line) for line in found]
    told = [(e["method"], e["path"], e["verb"], int(e["status"]), e["model"]) for e in events]
    assert told == FIELDS
    assert events[1]["request_id"] == "a.b-c_1"
    assert all(e["event"] == "request" and e["level"] == "info" and float(e["ms"]) > 0 for e in events)
    assert len({e["request_id"] for e in events}) == len(events)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("a", True), ("A-z_0.9" * 9, True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("a=b", False)],
)
def test_a_clients_request_id_is_taken_over(server: str, sent: str, kept: bool) -> None:
    """Where it is short and can do no harm in a log; else the service makes one, also for errors."""
    for path in ("/v2", "/no-such"):
        got = call("GET", f"{server}{path}", X_Request_Id=sent).headers["X-Request-Id"]
        assert (got == sent) == kept
        assert kept or re.fullmatch("[0-9a-f]{32}", got)
