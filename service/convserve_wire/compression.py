"""gzip and deflate (zlib) bodies, never larger than a limit."""

import gzip
import zlib

from convserve_wire.errors import TooLarge, UnsupportedEncoding, WireError

WINDOW_BITS = {"gzip": 31, "deflate": 15}


def decompress(body: bytes, encoding: str | None, limit: int) -> bytes:
    """The decoded body; `encoding` None or identity passes it on. `limit` in bytes holds before memory is taken."""
    name = (encoding or "identity").strip().lower()
    if name == "identity":
        return body
    if name not in WINDOW_BITS:
        raise UnsupportedEncoding(f"Content-Encoding is {name[:40]!r}, but only gzip and deflate are understood")
    decoder = zlib.decompressobj(WINDOW_BITS[name])
    try:
        decoded = decoder.decompress(body, limit + 1)
    except zlib.error as error:
        raise WireError(f"the body is not valid {name}: {error}; send it as it is, or compress it again") from error
    if len(decoded) > limit:
        raise TooLarge(f"the decompressed body has more than {limit} bytes, the most that this server takes")
    if not decoder.eof or decoder.unused_data:
        raise WireError(f"the {name} body is cut off or has bytes after its end; send exactly one stream")
    return decoded


def compress(body: bytes, encoding: str) -> bytes:
    """The body as gzip or deflate, the same bytes for the same body."""
    return gzip.compress(body, 5, mtime=0) if encoding == "gzip" else zlib.compress(body, 5)
