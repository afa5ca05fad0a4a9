"""Compressed bodies that are larger than they look."""

import gzip
import zlib

import pytest

from tests.harm.service import Target

ZEROS = bytes(200 << 20)


def bomb(level: int = 9) -> bytes:
    return gzip.compress(ZEROS, level)


HEADER = b"\x1f\x8b\x08\x08" + bytes(6)
ROWS: dict[str, tuple[bytes, str, int]] = {
    "200 MiB of zeros": (bomb(), "gzip", 413),
    "as deflate": (zlib.compress(ZEROS, 9), "deflate", 413),
    "one byte too many": (gzip.compress(bytes((64 << 20) + 1)), "gzip", 413),
    "a bomb in a bomb": (gzip.compress(bomb()), "gzip", 400),
    "twice compressed, and said": (gzip.compress(bomb()), "gzip, gzip", 415),
    "many members": (gzip.compress(b"") * 100_000, "gzip", 400),
    "a member behind": (gzip.compress(b"{}") + bomb(), "gzip", 400),
    "a name without end": (HEADER + b"A" * (4 << 20), "gzip", 400),
    "cut off": (bomb()[:-9], "gzip", 413),
    "cut off early": (bomb()[:50], "gzip", 400),
    "a wrong checksum": (gzip.compress(b"{}")[:-8] + bytes(8), "gzip", 400),
    "gzip that is deflate": (zlib.compress(b"{}"), "gzip", 400),
    "raw deflate": (zlib.compress(b"{}")[2:-4], "deflate", 400),
    "a dictionary": (b"\x78\xbb\x00\x00\x00\x01" + zlib.compress(b"{}")[2:], "deflate", 400),
    "nothing": (b"", "gzip", 400),
    "brotli": (b"\x0b", "br", 415),
    "zstd": (b"\x28\xb5\x2f\xfd", "zstd", 415),
    "chunked as an encoding": (b"{}", "chunked", 415),
    "an encoding of 8,000 letters": (b"{}", "x" * 8000, 415),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_bomb_is_refused(attacked: Target, row: tuple[bytes, str, int]) -> None:
    """Where tensors, pictures and files are taken."""
    body, encoding, status = row
    for method, path in (("POST", "infer"), ("POST", "predict"), ("PUT", "weights"), ("POST", "train")):
        answer = attacked.ask(method, f"/v2/models/m/{path}", body, Content_Encoding=encoding, Content_Type="image/png")
        attacked.check_refused(answer, (status,))


def test_no_bomb_takes_memory(attacked: Target) -> None:
    """Eight at once would be 1.6 GiB; the service has never had half of that."""
    for _ in range(8):
        attacked.check_refused(attacked.ask("POST", "/v2/models/m/infer", bomb(), Content_Encoding="gzip"), (413,))
    assert attacked.peak() < 800 << 20
