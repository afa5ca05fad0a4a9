"""Pictures that are bombs."""

import base64
import json
import zlib

import pytest

from tests.harm.pictures import SIGNATURE, chunk, declared, header, jpeg, large_jpeg, many_scans, palette, png
from tests.harm.service import Target

GOOD = png(4, 4)
ZEROS = bytes(100 << 20)
BOMBS: dict[str, bytes] = {
    "81 megapixels in 10 KB": png(9000, 9000, depth=1),
    "a row too many": png(2000, 2001),
    "2**31 - 1 squared": declared((1 << 31) - 1, (1 << 31) - 1),
    "2**32 - 1 squared": declared((1 << 32) - 1, (1 << 32) - 1),
    "no width": declared(0, 4),
    "one long row": declared(4_000_001, 1),
    "a text of 100 MB": png(4, 4, chunk(b"zTXt", b"a\0\0" + zlib.compress(ZEROS, 9))),
    "an international text of 100 MB": png(4, 4, chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(ZEROS, 9))),
    "cut off": png(64, 64)[:-30],
    "no pixels": SIGNATURE + header(4, 4),
    "more alphas than any palette has colours": palette(2, 1000),
    "a bad filter": png(4, 4, data=b"\x07" * 20),
    "a bad depth": SIGNATURE + header(4, 4, depth=3),
    "a chunk longer than the file": SIGNATURE + header(4, 4) + b"\xff\xff\xff\xffIDAT",
    "a JPEG of 65,535 squared": large_jpeg(65_535, 65_535),
    "a JPEG of 3,000 squared": large_jpeg(3_000, 3_000),
    "a JPEG of 10,000 scans": many_scans((512, 512), 10_000),
    "half a JPEG": jpeg((64, 64))[:200],
    "a GIF": b"GIF89a" + bytes(100),
    "a BMP": b"BM" + bytes(100),
    "a TIFF": b"II*\0" + bytes(100),
    "a WebP": b"RIFF\x10\0\0\0WEBPVP8 " + bytes(100),
    "an EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n",
    "an SVG": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "an ICO": b"\0\0\1\0" + bytes(100),
    "a PSD": b"8BPS" + bytes(100),
    "nothing": b"",
}
HARMLESS: dict[str, bytes] = {
    "as large as may be": png(2000, 2000),
    "a thousand chunks": png(4, 4, *[chunk(b"tEXt", b"a\0b")] * 1000),
    "pixels for half of it": png(64, 64, data=bytes(32 * 65)),
    "more pixels than rows": png(4, 4, data=bytes(1 << 20)),
    "a bomb for a profile": png(4, 4, chunk(b"iCCP", b"a\0\0" + zlib.compress(ZEROS[: 50 << 20], 9))),
    "an animation of 2**31 frames": png(4, 4, chunk(b"acTL", b"\x7f\xff\xff\xff\0\0\0\0")),
    "a progressive JPEG": jpeg((64, 64), progressive=True),
    "a JPEG of fifty scans": many_scans((64, 64), 50),
    "more alphas than colours": palette(2, 3),
    "256 alphas for one colour": palette(1, 256),
    "an unknown chunk": png(4, 4, chunk(b"tEsT", bytes(1 << 16))),
}


@pytest.mark.parametrize("picture", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused(attacked: Target, picture: bytes) -> None:
    """As a body of either type, as a part, and in base64."""
    predict = "/v2/models/m/predict"
    for kind in ("image/png", "image/jpeg"):
        attacked.check_refused(attacked.ask("POST", predict, picture, Content_Type=kind), (400,))
    part = (
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="../../secret"\r\n\r\n%b\r\n--b--\r\n' % picture
    )
    answer = attacked.ask("POST", predict, part, Content_Type="multipart/form-data; boundary=b")
    attacked.check_refused(answer, (400,))
    instances = json.dumps({"instances": [{"b64": base64.b64encode(picture).decode()}]}).encode()
    attacked.check_refused(attacked.ask("POST", predict, instances, Content_Type="application/json"), (400,))


@pytest.mark.parametrize("picture", HARMLESS.values(), ids=HARMLESS)
def test_what_only_looks_like_one_is_not(attacked: Target, picture: bytes) -> None:
    """Answered, or refused as a picture that is damaged; never more than a moment's work."""
    answer = attacked.ask("POST", "/v2/models/m/predict", picture, Content_Type="image/png")
    if answer.status != 200:
        attacked.check_refused(answer, (400,))


def test_pictures_take_no_memory(attacked: Target) -> None:
    """Thirty bombs later."""
    for name in ("81 megapixels in 10 KB", "2**31 - 1 squared", "a text of 100 MB"):
        for _ in range(10):
            answer = attacked.ask("POST", "/v2/models/m/predict", BOMBS[name], Content_Type="image/png")
            attacked.check_refused(answer, (400,))
    assert attacked.peak() < 800 << 20


def test_more_pictures_than_rows_are_not_decoded(attacked: Target) -> None:
    """70,000 of them: refused by their number."""
    one = {"b64": base64.b64encode(GOOD).decode()}
    body = json.dumps({"instances": [one] * 70_000}).encode()
    answer = attacked.ask("POST", "/v2/models/m/predict", body, Content_Type="application/json")
    attacked.check_refused(answer, (413,))
