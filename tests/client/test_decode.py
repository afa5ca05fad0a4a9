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


@pytest.mark.parametrize("kind", [decode.versions, decode.predictions, decode.trained])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"versions": [{}], "predictions": [{}]}', b"null"])
def test_another_reply_is_one_kind_of_error(kind: Any, body: bytes) -> None:
    """Never an error of Python's."""
    with pytest.raises(ReplyError):
        kind(Reply(body, {}))
