"""gzip and deflate within a limit."""

import gzip
import zlib

import pytest

from convserve_wire.compression import compress, decompress
from convserve_wire.errors import TooLarge, UnsupportedEncoding


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_bodies_survive_and_are_bounded(encoding: str) -> None:
    """What compress makes decompress reads, up to exactly the limit; the same bytes each time."""
    body = bytes(range(256)) * 10
    packed = compress(body, encoding)
    assert packed == compress(body, encoding)
    assert decompress(packed, encoding, len(body)) == body
    with pytest.raises(TooLarge):
        decompress(packed, encoding, len(body) - 1)


def test_standard_readers_agree() -> None:
    """gzip's and zlib's own."""
    assert gzip.decompress(compress(b"abc", "gzip")) == b"abc"
    assert zlib.decompress(compress(b"abc", "deflate")) == b"abc"


def test_other_encodings_are_refused() -> None:
    """Never br."""
    with pytest.raises(UnsupportedEncoding, match="br"):
        decompress(b"", "br", 10)
    assert decompress(b"abc", None, 10) == b"abc"
