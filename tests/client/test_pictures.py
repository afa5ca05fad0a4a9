"""What predict takes, as bytes that Pillow reads; what it does not take is said before anything is sent."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convserve_client import ConvserveError
from convserve_client.pictures import instances, media_type, picture

GREY = np.random.default_rng(1).integers(0, 256, (9, 6), np.uint8)
COLOR = np.random.default_rng(2).integers(0, 256, (9, 6, 3), np.uint8)


@pytest.mark.parametrize("pixels", [GREY, COLOR], ids=["grey", "color"])
def test_every_form_is_the_same_picture(pixels: Any, tmp_path: Path) -> None:
    """A path, its text, bytes, a view of them, a Pillow image and the array, also where it is not contiguous."""
    file = tmp_path / "picture.png"
    Image.fromarray(pixels).save(file)
    data = file.read_bytes()
    flipped = np.ascontiguousarray(pixels[::-1])[::-1]
    for source in (file, str(file), data, bytearray(data), memoryview(data), Image.open(file), pixels, flipped):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture(source)))), pixels)


def test_the_media_type_is_seen_from_the_bytes() -> None:
    """JPEG by its first two, else PNG."""
    file = io.BytesIO()
    Image.fromarray(COLOR).save(file, "JPEG")
    assert (media_type(file.getvalue()), media_type(picture(COLOR))) == ("image/jpeg", "image/png")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (3, "this is a int"),
        ((GREY, GREY), "this is a tuple"),
        (GREY.astype(np.int64), "convert it to uint8"),
        (np.zeros((5, 7, 2), np.uint8), "1 or 3 channels"),
        (np.zeros(4, np.uint8), "uint8"),
        (Image.new("CMYK", (2, 2)), "convert it to RGB"),
    ],
    ids=["a number", "a tuple", "int64", "two channels", "one axis", "CMYK"],
)
def test_what_is_no_picture_is_said(source: Any, says: str) -> None:
    """With what to do about it."""
    with pytest.raises(ConvserveError, match=says):
        picture(source)


def test_a_file_that_is_not_there_is_pythons_error() -> None:
    """As open would say it."""
    with pytest.raises(FileNotFoundError):
        picture("nowhere.png")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_json_cannot_carry_are_not_sent(value: float) -> None:
    """orjson would write null for them."""
    with pytest.raises(ConvserveError, match="array 1"):
        instances([np.zeros((2, 2)), np.full((2, 2), value)])


def test_numbers_and_pictures_are_not_mixed() -> None:
    """They go in different bodies."""
    with pytest.raises(ConvserveError, match="two calls"):
        instances([np.zeros((2, 2)), GREY])
