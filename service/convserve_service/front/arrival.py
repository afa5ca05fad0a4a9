"""How much of a request is there, from its bytes alone.

The bytes are only counted: what is wrong with them, gunicorn's parser says as soon as it gets them. Source: RFC 9112.
"""

import re
from typing import NamedTuple

from convserve_service.front.errors import BodyTooLarge, ChunksTooSmall, HeadTooLarge, UnknownCoding

HEAD_BYTES = 32 << 10
FRAMING_BYTES = 64 << 10  # sizes and line ends of chunks, beyond a sixteenth of the bytes in them
LINE_BYTES = 1024  # a chunk's size with its extensions
LAST = len(b"0\r\n\r\n")
END = b"\r\n\r\n"
FIELD = re.compile(rb"\r\n(content-length|transfer-encoding|expect):[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE)
NEWER = re.compile(rb"(?:\r\n)?[^\r\n]* HTTP/1\.1\r\n")
CHUNK = re.compile(rb"0*([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
BARE_LF = re.compile(rb"(?<!\r)\n")
Bytes = bytes | bytearray


class Arrival(NamedTuple):
    """Lengths and offsets count from the request's first byte."""

    head: int = 0  # its length; 0 while its end is not there
    least: int = 1  # fewer bytes are not all of it
    ends: bool = False  # it ends where `least` says
    waits: bool = False  # for "100 Continue", before it sends its body
    chunk: int = 0  # where a chunk begins whose end is not there; 0 where the body has a length
    content: int = 0  # bytes in the chunks before
    digits: tuple[int, int] = (0, 0)  # where the body's length is written, in the head; nowhere for a body without one

    def whole(self, length: int) -> bool:
        """Whether `length` bytes are all that gunicorn's parser needs, to take it or to refuse it."""
        return self.ends and length >= self.least


START = Arrival()


def advance(known: Arrival, data: Bytes, most: int) -> Arrival:
    """What `data`, which begins with all that was `known`, says; a body may have `most` bytes."""
    if not known.head:
        known = _head(known, data, most)
    if known.chunk and not known.ends:
        known = _chunks(known, data, most)
    return known


def _head(known: Arrival, data: Bytes, most: int) -> Arrival:
    searched = max(0, known.least - len(END))
    end = data.find(END, searched)
    if max(end, len(data) if end < 0 else 0) > HEAD_BYTES:
        raise HeadTooLarge(f"the request's head is longer than {HEAD_BYTES} bytes; send fewer or shorter headers")
    if end >= 0:
        head = bytes(data[: end + len(END)])
        if head.count(b"\n") > head.count(b"\r\n"):  # nothing that follows makes it better
            return Arrival(len(head), len(head), ends=True)
        return _framing(head, most)
    if BARE_LF.search(data, searched):
        return Arrival(head=len(data), least=len(data), ends=True)  # it has no end that counts
    return known._replace(least=len(data) + 1)


def _framing(head: bytes, most: int) -> Arrival:
    """How the body ends. A head that says it in two ways has none: the parser refuses it before it reads one."""
    fields: dict[bytes, list[bytes]] = {}
    digits = (0, 0)
    for field in FIELD.finditer(head):
        name = field[1].lower()
        fields.setdefault(name, []).append(field[2].lower())
        if name == b"content-length":
            digits = field.span(2)
    lengths, codings = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
    newer = NEWER.match(head) is not None
    waits = newer and fields.get(b"expect") == [b"100-continue"]
    if codings and newer and not lengths:
        if codings != [b"chunked"]:
            raise UnknownCoding("a Transfer-Encoding other than chunked cannot be read; send the body as it is")
        return Arrival(len(head), len(head) + LAST, waits=waits, chunk=len(head))
    if codings or len(lengths) != 1 or not lengths[0].isdigit():
        return Arrival(len(head), len(head), ends=True)
    if len(lengths[0]) > 18 or int(lengths[0]) > most:
        raise _too_large(most)
    return Arrival(len(head), len(head) + int(lengths[0]), ends=True, waits=waits, digits=digits)


def _chunks(known: Arrival, data: Bytes, most: int) -> Arrival:
    """Go on from the first chunk whose end was not there."""
    at, content = known.chunk, known.content
    broken = known._replace(least=len(data), ends=True)
    while line := CHUNK.match(data, at, at + LINE_BYTES):
        size = int(line[1], 16)
        if size == 0:
            return _trailers(known._replace(chunk=at, content=content), data, line.end())
        if content + size > most:
            raise _too_large(most)
        after = line.end() + size + 2
        if len(data) < after:
            return known._replace(chunk=at, content=content, least=after + LAST)
        if data[after - 2 : after] != b"\r\n":
            return broken
        at, content = after, content + size
        if at - known.head - content > FRAMING_BYTES + content // 16:
            raise ChunksTooSmall("the body's chunks are too small to be worth their framing; send larger ones")
    if data.find(b"\n", at, at + LINE_BYTES) >= 0:
        return broken
    if len(data) - at >= LINE_BYTES:  # not for the parser, which would take it where all of it is there
        raise ChunksTooSmall(f"a chunk's size with its extensions takes {LINE_BYTES} bytes or more; send it alone")
    return known._replace(chunk=at, content=content, least=max(len(data) + 1, at + LAST))


def _trailers(known: Arrival, data: Bytes, at: int) -> Arrival:
    """After the last chunk: nothing or fields, and an empty line."""
    if data[at : at + 2] == b"\r\n":
        return known._replace(least=at + 2, ends=True)
    end = data.find(END, at)
    if end >= 0:
        return known._replace(least=end + len(END), ends=True)
    if len(data) - at > HEAD_BYTES:
        raise HeadTooLarge(f"the request's trailer is longer than {HEAD_BYTES} bytes; send fewer or shorter fields")
    if BARE_LF.search(data, at):
        return known._replace(least=len(data), ends=True)
    return known._replace(least=len(data) + 1)


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the body is larger than the {most} bytes that this server takes; send fewer rows in one request"
    )
