"""Heat maps: which colour a value has, how large the picture is, and what is no heat map."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convserve_model import Preprocess
from convserve_service import heatmaps
from convserve_service.errors import ImageError, RequestError
from convserve_wire.errors import NonFiniteOutput

GREY = Preprocess.from_dict({"mean": 0.25, "std": 0.5}, channels=1)
RGB = Preprocess.from_dict({}, channels=3)
DARK, LIGHT = 30, 150  # black and white of the image beneath


def drawn(values: Any, x: Any = None, preprocess: Preprocess = GREY, **options: Any) -> Any:
    """[height, width, 3] as Pillow reads it."""
    values = np.asarray(values, np.float32)
    x = preprocess.normalize(np.zeros((1, *values.shape), np.uint8))[0] if x is None else x
    data = heatmaps.png(values, x, preprocess, **{"signed": True, "max_pixels": 4_000_000, **options})
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return np.asarray(image).astype(int)


def test_red_speaks_for_and_blue_against() -> None:
    """The strongest values have the ends of the scale, and what says nothing is the dimmed image."""
    image = drawn([[[1.0, -1.0, 0.0]]])[0, ::280]
    assert image.tolist() == [[0xB4, 0x04, 0x26], [0x3B, 0x4C, 0xC0], [DARK] * 3]


def test_one_sign_goes_from_dark_to_light() -> None:
    """More is lighter; half of the strength is half of the image and half of the colour."""
    image = drawn(np.repeat([1.0, 0.5, 0.0], 200).reshape(1, 3, 200), signed=False)[::94, 0]
    assert image[0].tolist() == [0xFC, 0xFF, 0xA4]
    assert image[2].tolist() == [DARK] * 3
    middle = (np.array([0xA5, 0x2C, 0x60]) + np.array([0xCF, 0x44, 0x46])) / 2  # of the ten colours
    np.testing.assert_allclose(image[1], (middle + DARK) / 2, atol=1)


@pytest.mark.parametrize("preprocess", [GREY, RGB], ids=["grey", "RGB"])
def test_where_nothing_is_said_the_image_is_seen(preprocess: Preprocess) -> None:
    """In grey, by its luminance, whatever the network's input looks like."""
    pixels = np.random.default_rng(0).integers(0, 256, (preprocess.channels, 5, 7), np.uint8)
    mode = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    luminance = np.asarray(Image.fromarray(mode).convert("L")).astype(float)
    image = drawn(np.zeros((preprocess.channels, 5, 7)), preprocess.normalize(pixels[None])[0], preprocess)
    squares = image.reshape(5, 56, 7, 56, 3)
    assert (squares == squares[:, :1, :, :1, :1]).all()
    np.testing.assert_allclose(squares[:, 0, :, 0, 0], DARK + (LIGHT - DARK) / 255 * luminance, atol=1)


def test_one_outlier_does_not_make_the_rest_pale() -> None:
    """The scale is the 99th percentile: with one value a million times the others, they have their colours."""
    values = np.where(np.arange(400) % 2, 1.0, -1.0).reshape(1, 20, 20)
    expected = drawn(values)
    values[0, 0, 1] = 1e6
    assert np.array_equal(drawn(values), expected)


@pytest.mark.parametrize(
    ("size", "most", "expected"),
    [
        ((28, 28), 4_000_000, (280, 280)),
        ((32, 48), 4_000_000, (288, 432)),
        ((500, 300), 4_000_000, (500, 300)),
        ((1, 1), 4_000_000, (280, 280)),
        ((1, 3000), 100_000, (5, 15000)),
        ((100, 100), 10_000, (100, 100)),
    ],
)
def test_pictures_are_as_large_as_a_person_needs(size: tuple[int, int], most: int, expected: tuple[int, int]) -> None:
    """280 pixels on the short side at least, a whole number of times the input, no more than the server draws."""
    assert drawn(np.ones((1, *size)), max_pixels=most).shape == (*expected, 3)


def test_channels_are_summed() -> None:
    """For and against in two channels of a pixel say nothing."""
    values = np.zeros((3, 1, 2))
    values[:, 0, 0] = [2.0, -1.0, -1.0]
    values[:, 0, 1] = [1.0, 1.0, -1.0]
    assert drawn(values, preprocess=RGB)[0, ::280].tolist() == [[DARK] * 3, [0xB4, 0x04, 0x26]]


def test_input_beyond_pixels_is_drawn_all_the_same() -> None:
    """Black and white are the ends, also where float32 has no number for the pixel."""
    x = np.array([[[-3e38, 3e38]]], np.float32)
    assert drawn(np.zeros((1, 1, 2)), x)[0, ::280].tolist() == [[DARK] * 3, [LIGHT] * 3]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_has_no_colour(value: float) -> None:
    """As it has no number in JSON."""
    with pytest.raises(NonFiniteOutput):
        drawn([[[1.0, value]]])


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [
        ((2, 1, 4, 4), RequestError, "2 rows"),
        ((1, 2, 4, 4), ImageError, "2 channels"),
        ((1, 1, 4, 30), ImageError, "at most 100 pixels"),
    ],
)
def test_what_is_no_heat_map_is_said_before_the_work(shape: Any, kind: type[Exception], words: str) -> None:
    """Rows, channels and size."""
    color = Preprocess.from_dict({}, channels=shape[1]).color
    with pytest.raises(kind, match=words):
        heatmaps.check(np.zeros(shape), color, 100)
    heatmaps.check(np.zeros((1, 3, 10, 10)), "RGB", 100)
