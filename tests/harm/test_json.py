"""JSON that is none, or more than it seems."""

import json

import pytest

from tests.harm.service import Target
from tests.service.calls import batch

GOOD = json.dumps({"inputs": batch(1)["inputs"][:1]}).encode()


def with_number(text: bytes, datatype: bytes = b"FP32") -> bytes:
    head = b'{"inputs":[{"name":"x","shape":[1,1,4,4],"datatype":"' + datatype
    return head + b'","data":[' + text + b",0" * 15 + b"]}]}"


def deep(opening: bytes, closing: bytes, count: int) -> bytes:
    return GOOD[:-1] + b',"parameters":{"a":' + opening * count + b"1" + closing * count + b"}}"


ROWS: dict[str, bytes] = {
    **{
        f"{text[:12].decode()} as a number": with_number(text)
        for text in (
            b"NaN",
            b"-Infinity",
            b"1e400",
            b"-1e400",
            b"1" + b"0" * 5000,
            b"0x10",
            b"01",
            b"1_000",
            b"+1",
            b".5",
            b"1.",
            b"'1'",
            b"true",
            b"null",
            b'"1"',
            b'"\\ud800"',
            b"{}",
            b"[1]",
            b"1e",
            b"--1",
        )
    },
    **{
        f"{text[:12].decode()} as UINT8": with_number(text, b"UINT8")
        for text in (
            b"256",
            b"-1",
            b"1.0",
            b"1e2",
            b"1" + b"0" * 400,
            b"NaN",
            b"1e400",
            b"-9223372036854775809",
        )
    },
    **{f"{text[:12].decode()} as INT64": with_number(text, b"INT64") for text in (b"9223372036854775808", b"1e18")},
    "lists, 10,000 deep": deep(b"[", b"]", 10_000),
    "objects, 10,000 deep": deep(b'{"a":', b"}", 10_000),
    "lists without end": b"[" * 1_000_000,
    "objects without end": b'{"a":' * 1_000_000,
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-16 without a mark": GOOD.decode().encode("utf-16-le"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "UTF-7": b"+AHs-" + GOOD[1:],
    "broken UTF-8": GOOD.replace(b'"x"', b'"\xff"'),
    "overlong UTF-8": GOOD.replace(b'"x"', b'"\xc1\xb8"'),
    "a lone surrogate": GOOD[:-1] + b',"id":"\\ud800"}',
    "surrogates the wrong way round": GOOD[:-1] + b',"id":"\\udc00\\ud800"}',
    "a null behind it": GOOD + b"\0",
    "two documents": GOOD + GOOD,
    "a comment": b"/* */" + GOOD,
    "a comma too many": GOOD[:-1] + b",}",
    "quotes of the wrong kind": GOOD.replace(b'"', b"'"),
    "a member twice, the last one wins": GOOD[:-1] + b',"inputs":[]}',
    "a control character in a string": GOOD.replace(b'"x"', b'"x\n"'),
    "a name of 1 MiB": GOOD.replace(b'"x"', b'"' + b"x" * (1 << 20) + b'"'),
    "a datatype of 1 MiB": GOOD.replace(b'"FP32"', b'"' + b"F" * (1 << 20) + b'"'),
    "a shape of 100,000 axes": GOOD.replace(b"[1, 1, 4, 4]", b"[" + b"1," * 100_000 + b"1]"),
    "a shape below zero": GOOD.replace(b"[1, 1, 4, 4]", b"[-1, 1, 4, 4]"),
    "a shape of 10**400": GOOD.replace(b"[1, 1, 4, 4]", b"[1" + b"0" * 400 + b", 1, 4, 4]"),
    "a shape of true": GOOD.replace(b"[1, 1, 4, 4]", b"[true, 1, 4, 4]"),
    "a null": b"null",
    "a string": b'"inputs"',
    "a number": b"1",
    "nothing": b"",
    "blanks": b" " * (1 << 20),
    "a pickle": b"\x80\x04K\x01.",
    "YAML": b"inputs: !!python/object/apply:os.system ['id']",
    "XML": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
    "a form": b"inputs=1&outputs=2",
}


@pytest.mark.parametrize("body", ROWS.values(), ids=ROWS)
def test_bad_json_is_refused(attacked: Target, body: bytes) -> None:
    """By every verb that takes JSON, whatever it expects in it."""
    for method, path in (
        ("POST", "models/m/infer"),
        ("POST", "models/m/train"),
        ("POST", "models/m/gradients"),
        ("POST", "models/m/step"),
        ("POST", "models/m/rollback"),
        ("PUT", "models/m/aliases/a"),
        ("POST", "models/m/fit"),
        ("PUT", "models/new"),
    ):
        attacked.check_refused(attacked.ask(method, f"/v2/{path}", body))
    answer = attacked.ask("POST", "/v2/models/m/predict", body, Content_Type="application/json")
    attacked.check_refused(answer)


@pytest.mark.parametrize(
    "member", ["__proto__", "constructor", "x" * 10_000, "a/b", "<script>alert(1)</script>", "\x7f"]
)
def test_an_unknown_member_is_told_in_part(attacked: Target, member: str) -> None:
    """At most a hundred characters of it."""
    for path, body in (("train", batch(1)), ("rollback", {"version": "1"})):
        answer = attacked.ask("POST", f"/v2/models/m/{path}", json.dumps({**body, member: 1}).encode())
        assert answer.status == 400
        assert member[:100] in answer.json()["error"]
        assert member[:101] == member or member[:101] not in answer.body.decode()
        assert answer.headers["Content-Type"] == "application/json"
