"""Pictures and their pixels, by Pillow. Of what comes, PNG and JPEG only, sizes checked before anything is decoded.

It is imported with the first picture: a start takes less time and a worker less memory without Pillow.
"""

import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from convserve_model import Preprocess
from convserve_service.errors import ImageError

FORMATS = ("PNG", "JPEG")
MAX_SCANS = 100  # of a progressive JPEG, each a pass over all pixels that may take a few bytes; libjpeg writes ten
SCAN = b"\xff\xda"


def pixels(data: bytes, preprocess: Preprocess, size: tuple[int, int], max_pixels: int) -> npt.NDArray[np.uint8]:
    """uint8 [C,H,W] of a picture, resized to `size` (height, width) and inverted as `preprocess` says.

    Transparent pixels lie on white; an orientation in EXIF is followed. ImageError says what is wrong.
    """
    if preprocess.color is None:
        raise ImageError(f"this model has {preprocess.channels} input channels; send tensors, pictures need 1 or 3")
    image = _resize(_decode(data, preprocess.color, max_pixels), preprocess.resize, size)
    if preprocess.invert:
        image = ImageChops.invert(image)
    array = np.asarray(image, np.uint8)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _decode(data: bytes, color: str, max_pixels: int) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a stranger sent; our own limit of pixels is checked below
            image = _load(data, max_pixels)
            return _color(ImageOps.exif_transpose(image), color)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError("the body is not a PNG or JPEG picture; send one of these") from error
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise ImageError("the picture is damaged or cut off; send a whole PNG or JPEG") from error


def _load(data: bytes, max_pixels: int) -> Image.Image:
    """Its pixels in memory, once its size is known."""
    image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            f"the picture is {width} x {height}, but this server takes at most {max_pixels:,} pixels; shrink it"
        )
    if image.format != "PNG" and data.count(SCAN) > MAX_SCANS:
        raise ImageError(f"the JPEG has more than {MAX_SCANS} scans; save it again, with fewer")
    image.load()
    return image


def _color(image: Image.Image, color: str) -> Image.Image:
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", image.size, "white")
        image.alpha_composite(layer)
    if image.mode.startswith("I"):  # 16-bit grey
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    return image.convert(color)


def _resize(image: Image.Image, how: str, size: tuple[int, int]) -> Image.Image:
    """`stretch` ignores the shape; `fit` keeps all of it with black borders; `fill` cuts what is too much."""
    height, width = size
    if image.size == (width, height):
        return image
    if how == "stretch":
        return image.resize((width, height), Image.Resampling.BILINEAR)
    if how == "fit":
        return ImageOps.pad(image, (width, height), Image.Resampling.BILINEAR)
    return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)


def png(pixels: npt.NDArray[np.uint8], times: int) -> bytes:
    """A PNG of RGB [H,W,3], so many times as large: every pixel is a square."""
    picture = Image.fromarray(pixels)
    file = io.BytesIO()
    picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()
