"""JSON text with a token of it changed into what JSON may hold and nobody expects, or may not hold."""

import re
from random import Random

from tests.fuzz.doors import bytewise

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\s\[\]{},:"]+|[\[\]{},:]')
NUMBER = re.compile(rb"-?[0-9]+")
HOSTILE = (
    b"null", b"true", b"false", b"{}", b"[]", b"[[]]", b'""', b'"x"', b'{"a":1}', b"[null]", b"[[1],[1,2]]",
    b"0", b"-0", b"1", b"-1", b"255", b"256", b"65536", b"2147483648", b"4294967296", b"9007199254740993",
    b"9223372036854775807", b"9223372036854775808", b"18446744073709551615", b"18446744073709551616", b"1" + b"0" * 30,
    b"1" + b"0" * 400, b"9" * 5000, b"0.5", b"-0.0", b"1e2", b"1e-400", b"1e38", b"3.5e38", b"1e39", b"65520.0",
    b"1e400",
    b"-1e400", b"1e9999999999", b"NaN", b"Infinity", b"-Infinity", b"01", b"1.", b".5", b"+1", b"0x10", b"1_0", b"--1",
    b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\xff"', b'"\xed\xa0\x80"', b'"\xc3\xa9"', b'"', b"'x'", b"\0",
    b"\xef\xbb\xbf", b'"' + b"a" * 300 + b'"', b"[" * 180 + b"]" * 180, b"[" * 400 + b"]" * 400, b"[" * 20_000,
    b"[" * 1000 + b"]" * 1000,
    b'{"a":' * 300 + b"1" + b"}" * 300, b"/**/", b",", b":", b"[", b"]", b"{", b"}", b"1,1", b'"a":1,"a":2',
)  # fmt: skip


def changed(random: Random, text: bytes, words: tuple[bytes, ...] = ()) -> bytes:
    """One thing is changed; `words` are tokens that mean something here."""
    spans = [found.span() for found in TOKEN.finditer(text)]
    if not spans or random.random() < 0.05:
        return bytewise.changed(random, text, HOSTILE)
    at = random.randrange(len(spans))
    start, stop = spans[at]
    token = text[start:stop]
    match random.randrange(9):
        case 0:  # another token of the same text
            other = slice(*random.choice(spans))
            return text[:start] + text[other] + text[stop:]
        case 1:  # less, a token or more of them
            return text[:start] + text[spans[min(len(spans) - 1, at + random.choice((0, 1, 3)))][1] :]
        case 2:  # a member, or an element, again
            again = text[start : spans[min(len(spans) - 1, at + random.choice((0, 2, 3, 9)))][1]]
            return text[:start] + again + b"," + text[start:]
        case 3 | 4 if NUMBER.fullmatch(token) and len(token) < 20:
            near = int(token) + random.choice((-1, 1, 3, -4, 4, 64))
            return text[:start] + b"%d" % near + text[stop:]
        case 5 | 6 if words:
            return text[:start] + random.choice(words) + text[stop:]
        case _:
            return text[:start] + random.choice(HOSTILE) + text[stop:]
