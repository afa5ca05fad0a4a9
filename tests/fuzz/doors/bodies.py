"""Compressed bodies. The oracles are the readers of `gzip` and `zlib`."""

import gzip
import zlib
from pathlib import Path
from random import Random

from convserve_wire.compression import compress, decompress
from convserve_wire.errors import WireError
from tests.crash.promises import demand
from tests.fuzz.doors import bytewise
from tests.fuzz.doors.door import Case, Door, refused, taken

MOST = 1 << 16
ENCODINGS = (b"gzip", b"deflate", b"identity", b"GZIP ", b"x-gzip", b"br", b"gzip, deflate", b"", b"\xff" * 300)
READERS = {"gzip": gzip.decompress, "deflate": zlib.decompress}
PIECES = (
    b"\x1f\x8b", b"\x1f\x8b\x08\x1f", b"\x78\x9c", b"\x78\xbb\0\0\0\1", zlib.compress(bytes(4 * MOST)),
    gzip.compress(b"a"),
    b"\0\0\0\xff\xff",
)  # fmt: skip


def door(_: Path) -> Door:
    return Door(seeds(), change, ask, peak=16 << 20)


def seeds() -> list[Case]:
    """Text, numbers, nothing, and as many zeros as may be."""
    bodies = (b"", b'{"inputs": []}', bytes(range(256)) * 9, Random(0).randbytes(999), bytes(MOST))
    cases = [(name.encode(), compress(body, name)) for name in READERS for body in bodies]
    stored = zlib.compressobj(0, zlib.DEFLATED, 31)
    return [*cases, (b"identity", b"{}"), (b"gzip", stored.compress(b"abc") + stored.flush())]


def change(random: Random, case: Case) -> Case:
    encoding, body = case
    if random.random() < 0.1:
        return random.choice(ENCODINGS), body
    if random.random() < 0.2:  # the same, but with other bytes in it
        try:
            inside = decompress(body, encoding.decode("latin-1"), MOST)
        except WireError:
            inside = body
        return b"deflate", zlib.compress(
            bytewise.changed(random, inside) * random.choice((1, 1, 3)), random.randrange(10)
        )
    return encoding, bytewise.changed(random, body, PIECES)


def ask(case: Case) -> str:
    """What is taken is what other readers make of it, and no longer than may be."""
    encoding, body = case
    name = encoding.decode("latin-1")
    try:
        decoded = decompress(body, name, MOST)
    except WireError as error:
        return refused(error)
    name = name.strip().lower()
    demand(decoded == READERS.get(name, bytes)(body), "other readers agree", repr(decoded[:200]))
    demand(name not in READERS or len(decoded) <= MOST, "never longer than may be", str(len(decoded)))
    return taken(name, len(decoded).bit_length())
