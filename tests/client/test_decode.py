"""Replies of other versions of the service: what is more is ignored, what is missing is one kind of error."""

from typing import Any

import orjson
import pytest

from convserve_client import Choice, ReplyError, decode
from convserve_client.transport import Reply

VERSION = {
    "version": "2", "parent": "1", "verb": "train", "step": 3, "loss": 0.5, "digest": "sha256:a",
    "weights_digest": "sha256:b", "created": "2026-11-23T07:00:00Z", "aliases": ["production"], "available": True,
}  # fmt: skip
JOB = {
    "job": "3", "model_name": "m", "dataset": "d", "state": "running", "epoch": 0, "epochs": 2, "step": 3, "steps": 8,
    "loss": 0.5, "images_per_second": 10.5, "seconds_left": 2.0, "model_version": "2", "error": None,
    "created": "2026-11-23T07:00:00Z", "updated": "2026-11-23T07:00:01Z",
}  # fmt: skip


def reply(**members: Any) -> Reply:
    return Reply(orjson.dumps({"model_version": "2", **members}), {})


def test_a_version_as_the_protocol_has_it_and_with_more() -> None:
    """Numbers are ints; members that nobody knows yet are passed over."""
    for row in (VERSION, {**VERSION, "cpu": "new"}):
        (found,) = decode.versions(reply(versions=[row]))
        assert (found.version, found.parent, found.aliases) == (2, 1, ("production",))


def test_a_choice_may_have_no_label() -> None:
    """It is called by its index, and reads as a person would write it."""
    (found,) = decode.predictions(reply(predictions=[{"top": [{"index": 7, "probability": 0.983}]}]))
    assert found.top == (Choice(7, "7", 0.983),)
    assert str(found) == "7 (98.3%)"


def test_a_job_as_the_protocol_has_it_and_with_more() -> None:
    """Its version is an int or None; the losses of an event are an array, and only there."""
    for row, version in ((JOB, 2), ({**JOB, "model_version": None, "cpu": "new"}, None)):
        (found,) = decode.jobs(reply(jobs=[row]))
        assert (found.job, found.model_version, found.finished, found.losses.size) == ("3", version, False, 0)
    assert decode.event(orjson.dumps({**JOB, "losses": [0.75, 0.5]}).decode()).losses.tolist() == [0.75, 0.5]


@pytest.mark.parametrize("data", ["", "null", "{}", *({**JOB, "losses": losses} for losses in (7, [[1]], [1] * 4))])
def test_an_event_that_does_not_fit_is_one_kind_of_error(data: Any) -> None:
    """More losses than steps among them."""
    with pytest.raises(ReplyError):
        decode.event(data if isinstance(data, str) else orjson.dumps(data).decode())


KINDS = (decode.versions, decode.predictions, decode.trained, decode.dataset, decode.datasets, decode.job, decode.jobs)
EMPTY_ROWS = b'{"versions": [{}], "predictions": [{}], "datasets": [{}], "jobs": [{}]}'


DEEP = orjson.dumps({**JOB, "job": 3}).replace(b'"job":3', b'"job":' + b"[" * 1000 + b"]" * 1000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", EMPTY_ROWS, b"null", DEEP])
def test_another_reply_is_one_kind_of_error(kind: Any, body: bytes) -> None:
    """Never an error of Python's."""
    with pytest.raises(ReplyError):
        kind(Reply(body, {}))
