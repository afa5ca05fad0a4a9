"""Pictures made by hand: small files that would be large, long or endless."""

import io
import struct
import zlib

from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int, *, depth: int = 8, color: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, data: bytes | None = None) -> bytes:
    """A grey picture of zeros, with more chunks before its pixels."""
    rows = bytes((1 + -(-width * depth // 8)) * height) if data is None else data
    return (
        SIGNATURE + header(width, height, depth=depth) + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows, 9)) + END
    )


def palette(colors: int, alphas: int) -> bytes:
    """A picture of the first of so many black colours, with the transparency of so many."""
    chunks = chunk(b"PLTE", bytes(3 * colors)), chunk(b"tRNS", bytes(alphas)), chunk(b"IDAT", zlib.compress(bytes(20)))
    return SIGNATURE + header(4, 4, color=3) + b"".join(chunks) + END


def declared(width: int, height: int) -> bytes:
    """A picture that only says how large it is."""
    return SIGNATURE + header(width, height) + chunk(b"IDAT", zlib.compress(bytes(9))) + END


def jpeg(size: tuple[int, int], **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("L", size).save(file, "JPEG", **options)
    return file.getvalue()


def large_jpeg(width: int, height: int) -> bytes:
    """A small JPEG whose frame header says another size."""
    data = bytearray(jpeg((8, 8)))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def many_scans(size: tuple[int, int], count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again: each is a pass over all blocks."""
    data = jpeg(size, progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]
