"""Pictures with their structure kept: a chunk or a segment is changed, and its length and checksum set right."""

import struct
import zlib
from random import Random

from tests.fuzz.doors import bytewise
from tests.harm.pictures import SIGNATURE, chunk

PIECES = {
    b"acTL": b"\0\0\0\2\0\0\0\0",
    b"fcTL": b"\0\0\0\0" + struct.pack(">IIII", 8, 8, 0, 0) + b"\0\1\0\1\0\0",
    b"fdAT": b"\0\0\0\1" + zlib.compress(bytes(72)),
    b"tRNS": b"\0\1",
    b"PLTE": bytes(range(48)),
    b"iCCP": b"a\0\0" + zlib.compress(bytes(1 << 16)),
    b"zTXt": b"a\0\0" + zlib.compress(bytes(1 << 16)),
    b"iTXt": b"a\0\1\0\0\0" + zlib.compress(bytes(99)),
    b"tEXt": b"a\0b",
    b"eXIf": b"MM\0\x2a\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0",
    b"gAMA": b"\0\0\0\0",
    b"cHRM": b"\xff" * 32,
    b"sRGB": b"\0",
    b"pHYs": b"\0\0\0\0\0\0\0\0\1",
    b"IDAT": b"",
    b"IEND": b"",
    b"CgBI": b"\0\0\0\0",
    b"zzzz": b"a",
}
SIZES = (0, 1, 2, 7, 28, 999, 2000, 2001, 65535, 4_000_001, 1 << 31, (1 << 32) - 1)
FLAGS = (0, 1, 2, 3, 4, 6, 8, 16, 17, 255)


def png(random: Random, data: bytes) -> bytes:
    """A chunk is changed, dropped, repeated, moved or put in; or pixels are, before they are compressed."""
    found = _chunks(data)
    if not found:
        return bytewise.changed(random, data)
    at = random.randrange(len(found))
    kind, inside = found[at]
    match random.randrange(8):
        case 0:
            del found[at]
        case 1:
            found.insert(random.randrange(len(found) + 1), found[at])
        case 2:
            new = random.choice(tuple(PIECES))
            found.insert(random.randrange(len(found)), (new, PIECES[new]))
        case 3 if found[0][0] == b"IHDR":
            found[0] = b"IHDR", _frame(random, found[0][1])
        case 4 | 5 if kind == b"IDAT":
            found[at] = kind, _pixels(random, inside)
        case 6:
            found[at] = random.choice(tuple(PIECES)), inside
        case _:
            found[at] = kind, bytewise.changed(random, inside)
    return SIGNATURE + b"".join(chunk(kind[:4], inside) for kind, inside in found)


def jpeg(random: Random, data: bytes) -> bytes:
    """A segment is changed, dropped, repeated or moved, or what lies behind the last one."""
    found, rest = _segments(data)
    if not found or random.random() < 0.2:
        return data[: len(data) - len(rest)] + bytewise.changed(random, rest, (b"\xff\xd9", b"\xff\xd0", b"\xff\0"))
    at = random.randrange(len(found))
    marker, inside = found[at]
    match random.randrange(6):
        case 0:
            del found[at]
        case 1:
            found.insert(random.randrange(len(found) + 1), found[at])
        case 2:
            found[at] = bytes([random.randrange(0xC0, 0xFF)]), inside
        case 3 if marker[0] in (0xC0, 0xC2):
            size = struct.pack(">HH", *(random.choice(SIZES) % 65536 for _ in range(2)))
            found[at] = marker, inside[:1] + size + inside[5:]
        case _:
            found[at] = marker, bytewise.changed(random, inside)[:65533]
    return b"\xff\xd8" + b"".join(_segment(marker, inside) for marker, inside in found) + rest


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(SIGNATURE)
    while at + 12 <= len(data) and len(found) < 500:
        stop = at + 8 + int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : stop]))
        at = stop + 4
    return found


def _frame(random: Random, inside: bytes) -> bytes:
    """IHDR with another width, height, depth, colour type or way of interlacing."""
    at = random.randrange(7)
    if at < 2:
        return inside[: 4 * at] + struct.pack(">I", random.choice(SIZES)) + inside[4 * at + 4 :]
    return inside[: at + 6] + bytes([random.choice(FLAGS)]) + inside[at + 7 :]


def _pixels(random: Random, inside: bytes) -> bytes:
    try:
        rows = zlib.decompressobj().decompress(inside, 1 << 20)
    except zlib.error:
        return bytewise.changed(random, inside)
    return zlib.compress(bytewise.changed(random, rows), 1)


def _segments(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """(marker, what is in it) of each before the scan's bytes, and these."""
    found, at = [], 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data) and len(found) < 100:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2:
            break
        found.append((data[at + 1 : at + 2], data[at + 4 : at + 2 + length]))
        at += 2 + length
        if found[-1][0] == b"\xda":
            break
    return found, data[at:]


def _segment(marker: bytes, inside: bytes) -> bytes:
    return b"\xff" + marker + struct.pack(">H", 2 + len(inside)) + inside
