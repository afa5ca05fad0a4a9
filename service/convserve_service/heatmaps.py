"""Explanations as pictures for people: colours over a dimmed grey image, one square for each pixel of the input."""

from math import ceil, isqrt

import numpy as np
import numpy.typing as npt

from convserve_model import Preprocess
from convserve_service.errors import ImageError, RequestError
from convserve_wire.errors import NonFiniteOutput
from convserve_wire.tensors import Array

SHORT_SIDE = 280  # pixels of a picture that a person can look at
PERCENTILE = 99  # of the strengths: a few outliers shall not make all others pale
DIMMED = 30, 150  # black and white of the image, of 255: colours shine on it
LUMA = 0.299, 0.587, 0.114  # ITU-R BT.601
COLORS = {  # equally spaced, of equal steps to the eye
    True: "3b4cc0 688aef 99baff c9d8ef dddddd edd1c2 f7a789 e26952 b40426",  # against and for; Moreland's cool to warm
    False: "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4",  # nothing to much; Inferno
}


def check(x: Array, color: str | None, max_pixels: int) -> None:
    """What a heat map is of: one image, grey or RGB; RequestError and ImageError say what is wrong."""
    n, channels, height, width = x.shape
    if n != 1:
        raise RequestError(f"x has {n} rows, but a heat map shows one; send one row, or ask for tensors", "x")
    if color is None:
        raise ImageError(f"x has {channels} channels, but a heat map needs an image of 1 or 3; ask for tensors")
    if height * width > max_pixels:
        raise ImageError(
            f"x is {width} x {height}, but this server draws at most {max_pixels:,} pixels; ask for tensors"
        )


def png(explanation: Array, x: Array, preprocess: Preprocess, *, signed: bool, max_pixels: int) -> bytes:
    """A PNG of an explanation [C,H,W] over its input x [C,H,W], summed over channels, as large as a person needs it.

    The stronger a pixel's value, the less of the image is seen through its colour.
    """
    from convserve_service import pictures

    values = explanation.sum(axis=0, dtype=np.float64)
    if not np.isfinite(values).all():
        raise NonFiniteOutput("the explanation holds a NaN or an infinity, which has no colour; ask for binary tensors")
    strength = np.abs(values)
    scale = np.percentile(strength, PERCENTILE) or strength.max() or 1.0
    values = np.clip(values / scale, -1, 1)  # [H,W]
    opacity = np.abs(values)[..., None]
    pixels = _dimmed(preprocess.pixels(x)) * (1 - opacity) + _colors(values, signed) * opacity  # [H,W,3]
    return pictures.png(np.rint(pixels).astype(np.uint8), _times(values.shape, max_pixels))


def _colors(values: Array, signed: bool) -> npt.NDArray[np.float64]:
    """RGB [H,W,3] of values from -1 (where they are signed) or 0 to 1."""
    table = np.array([list(bytes.fromhex(color)) for color in COLORS[signed].split()], np.float64)
    places = np.linspace(-1 if signed else 0, 1, len(table))
    return np.stack([np.interp(values, places, channel) for channel in table.T], axis=-1)


def _dimmed(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """[C,H,W] -> grey [H,W,1] between the two of DIMMED."""
    grey = pixels[0] if len(pixels) == 1 else np.tensordot(LUMA, pixels, 1)
    black, white = DIMMED
    return np.asarray(black + (white - black) / 255 * grey)[..., None]


def _times(shape: tuple[int, int], max_pixels: int) -> int:
    """How many times as large [H,W] is shown: a whole number, so that every pixel of the input is a square."""
    height, width = shape
    return min(ceil(SHORT_SIDE / min(width, height)), isqrt(max_pixels // (width * height)))
