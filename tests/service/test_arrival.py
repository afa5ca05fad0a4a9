"""How much of a request is there: a table, and gunicorn's own parser as the oracle."""

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser
from hypothesis import given
from hypothesis import strategies as st

from convserve_service.front.arrival import FRAMING_BYTES, HEAD_BYTES, START, Arrival, advance
from convserve_service.front.errors import BodyTooLarge, ChunksTooSmall, HeadTooLarge, Refused, UnknownCoding

MOST = 1 << 20
POST = b"POST /v2 HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
HEAD = len(CHUNKED)

# what came; whether it is whole, and how many bytes there must be at least
ROWS: dict[str, tuple[bytes, bool, int]] = {
    "nothing yet": (b"", False, 1),
    "a word": (b"GE", False, 3),
    "a head without its end": (POST + b"\r", False, len(POST) + 2),
    "a head": (b"GET / HTTP/1.1\r\n\r\n", True, 18),
    "a head after an empty line": (b"\r\nGET / HTTP/1.1\r\n\r\n", True, 20),
    "two requests at once": (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", True, 18),
    "no body of five": (POST + b"Content-Length: 5\r\n\r\n", False, len(POST) + 26),
    "four bytes of five": (POST + b"content-length:5\r\n\r\nabcd", False, len(POST) + 25),
    "five of five": (POST + b"Content-Length: 5\r\n\r\nabcde", True, len(POST) + 26),
    "zero of zero": (POST + b"Content-Length: 0\r\n\r\n", True, len(POST) + 21),
    "the largest body": (POST + b"Content-Length: 1048576\r\n\r\n", False, len(POST) + 27 + MOST),
    "no chunk": (CHUNKED, False, HEAD + 5),
    "a size without its end": (CHUNKED + b"10", False, HEAD + 5),
    "three bytes of a chunk of sixteen": (CHUNKED + b"10\r\nabc", False, HEAD + 4 + 16 + 2 + 5),
    "a chunk": (CHUNKED + b"3\r\nabc\r\n", False, HEAD + 8 + 5),
    "all chunks": (CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", True, HEAD + 13),
    "a chunk with an extension": (CHUNKED + b"3;a=b\r\nabc\r\n0\r\n\r\n", True, HEAD + 17),
    "sizes behind zeros": (CHUNKED + b"0" * 16 + b"3\r\nabc\r\n" + b"0" * 16 + b"\r\n\r\n", True, HEAD + 44),
    "a trailer without its end": (CHUNKED + b"0\r\nA: b\r\n", False, HEAD + 10),
    "a trailer": (CHUNKED + b"0\r\nA: b\r\n\r\n", True, HEAD + 11),
    "HTTP/1.0": (b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\na", True, 39),
}
# what the parser has to refuse without waiting for more
REFUSED_BY_PARSER: dict[str, bytes] = {
    "a bare LF in the request line": b"GET / HTTP/1.1\n",
    "a bare LF in a header": POST + b"A: b\nC: d",
    "a bare LF before the end of the head": POST + b"A: b\nContent-Length: 5\r\n\r\n",
    "bare LFs, and a body": (POST + b"Content-Length: 5\r\n\r\n").replace(b"\r\n", b"\n") + b"abcde",
    "bare LFs, and a chunk": (CHUNKED + b"5\r\nabcde\r\n0\r\n\r\n").replace(b"\r\n", b"\n"),
    "an empty request line": b"\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +5\r\n\r\n",
    "a length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a length in a folded line": POST + b"Content-Length:\r\n 5\r\n\r\n",
    "a length behind a NUL": POST + b"Content-Length: \x005\r\n\r\n",
    "a length behind a space": POST + b"Content-Length : 5\r\n\r\n",
}
BROKEN_CHUNKS: dict[str, bytes] = {
    "no size": b"\r\n",
    "no number": b"xyz\r\n",
    "a negative size": b"-1\r\n",
    "a size as in C": b"0x3\r\nabc\r\n",
    "more bytes than said": b"3\r\nabcd\r\n",
    "a bare LF after a size": b"3\nabc\r\n",
    "a bare LF in a trailer": b"0\r\nA: b\n\r\n",
}
REFUSED: dict[str, tuple[bytes, type[Refused]]] = {
    "a long head": (POST + b"A: " + b"a" * HEAD_BYTES, HeadTooLarge),
    "a long head with an end": (POST + b"A: " + b"a" * HEAD_BYTES + b"\r\n\r\n", HeadTooLarge),
    "a long body": (POST + b"Content-Length: 1048577\r\n\r\n", BodyTooLarge),
    "a length of 5,000 digits": (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", BodyTooLarge),
    "a long chunk": (CHUNKED + b"100001\r\n", BodyTooLarge),
    "chunks that are long together": (CHUNKED + b"100000\r\n" + bytes(MOST) + b"\r\n1\r\n", BodyTooLarge),
    "many chunks of one byte": (CHUNKED + b"1\r\na\r\n" * FRAMING_BYTES, ChunksTooSmall),
    "an endless size of a chunk": (CHUNKED + b"0" * 2000, ChunksTooSmall),
    "a long size of a chunk": (CHUNKED + b"0" * 2000 + b"\r\n\r\n", ChunksTooSmall),
    "a long extension": (CHUNKED + b"1;a=" + b"b" * 2000 + b"\r\na\r\n0\r\n\r\n", ChunksTooSmall),
    "another coding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", UnknownCoding),
    "a coding twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", UnknownCoding),
    "a long trailer": (CHUNKED + b"0\r\nA: " + b"a" * HEAD_BYTES, HeadTooLarge),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_what_is_missing(row: tuple[bytes, bool, int]) -> None:
    """Whole or not, and how many bytes of it there must be at least."""
    data, whole, least = row
    arrival = advance(START, data, MOST)
    assert (arrival.whole(len(data)), arrival.least) == (whole, least)


@pytest.mark.parametrize("data", REFUSED_BY_PARSER.values(), ids=REFUSED_BY_PARSER)
def test_what_gets_no_better_is_not_waited_for(data: bytes) -> None:
    """The parser gets it as it is, and refuses it from the head alone."""
    arrival = advance(START, data, MOST)
    assert arrival.whole(len(data))
    with pytest.raises(ParseException):
        next(RequestParser(Config(), iter([data[: arrival.head]]), ("127.0.0.1", 1)))


@pytest.mark.parametrize("chunks", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
def test_broken_chunks_are_not_waited_for(chunks: bytes) -> None:
    """The parser gets them as they are, and does not take them."""
    arrival = advance(START, CHUNKED + chunks, MOST)
    assert arrival.whole(len(CHUNKED + chunks))
    request = next(RequestParser(Config(), iter([CHUNKED + chunks]), ("127.0.0.1", 1)))
    with pytest.raises((ParseException, OSError)):
        request.body.read()


@pytest.mark.parametrize(("data", "kind"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(data: bytes, kind: type[Refused]) -> None:
    """Before anything is kept of it."""
    with pytest.raises(kind):
        advance(START, data, MOST)


def test_who_waits_for_100_continue() -> None:
    """A client of HTTP/1.1 that says so; one of HTTP/1.0 cannot."""
    expect = b"Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n"
    assert advance(START, POST + expect, MOST).waits
    assert not advance(START, POST.replace(b"1.1", b"1.0") + expect, MOST).waits


tokens = st.text("abcXYZ019-", min_size=1, max_size=8).map(str.encode)
values = st.text("abc 019,;=\t:", max_size=20).map(str.encode)
sizes = st.integers(0, 40)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Any request with a body of a length, of chunks or without one."""
    fields = [draw(tokens) + b": " + draw(values) for _ in range(draw(st.integers(0, 3)))]
    body = b""
    match draw(st.sampled_from(["none", "length", "chunks"])):
        case "length":
            body = draw(st.binary(max_size=60))
            fields.append(draw(st.sampled_from([b"Content-Length: %d", b"content-length:\t%d "])) % len(body))
        case "chunks":
            fields.append(draw(st.sampled_from([b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED "])))
            for size in draw(st.lists(st.integers(1, 40), max_size=5)):
                extension = draw(st.sampled_from([b"", b";a", b';a="b c"', b" ;a=b"]))
                body += b"%x" % size + extension + b"\r\n" + draw(st.binary(min_size=size, max_size=size)) + b"\r\n"
            body += b"0\r\n" + draw(st.sampled_from([b"", b"X-A: b\r\n", b"X-A: b\r\nX-C: \r\n"])) + b"\r\n"
    fields = draw(st.permutations(fields))
    return draw(st.sampled_from([b"", b"\r\n"])) + b"\r\n".join([b"POST /v2 HTTP/1.1", *fields, b"", b""]) + body


@given(request=requests(), after=st.binary(max_size=20), data=st.data())
def test_it_is_whole_when_the_parser_needs_no_more(request: bytes, after: bytes, data: st.DataObject) -> None:
    """However it was cut, neither a byte sooner nor later; what follows is not taken for it."""
    sent = request + after
    cuts = sorted(data.draw(st.sets(st.integers(1, len(request)), max_size=6)) | {len(request)})
    arrival: Arrival = START
    for cut in cuts:
        arrival = advance(arrival, sent[:cut], MOST)
        assert arrival.whole(cut) == (cut == len(request))
    assert advance(START, sent, MOST).least == arrival.least == len(request)

    parser = RequestParser(Config(), iter([request[i : i + 1] for i in range(len(request))]), ("127.0.0.1", 1))
    next(parser).body.read()
    assert parser.unreader.take_buffered() == b""
    assert list(parser.unreader.iter) == []
