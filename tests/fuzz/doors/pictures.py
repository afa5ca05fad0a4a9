"""The image door: pictures of digits in every mode, with their structure kept or not."""

import io
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from convserve_client.samples import digits
from convserve_model import Preprocess
from convserve_service import pictures
from convserve_service.errors import ImageError
from tests.crash.promises import demand
from tests.fuzz.doors import bytewise, chunks
from tests.fuzz.doors.door import VARIABLE, Case, Door, refused, taken

MOST = 1 << 20  # pixels
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
WAYS = tuple(  # what a model wants: chosen by the first byte of a case
    (Preprocess.from_dict({"resize": resize, "invert": invert}, channels=channels), size)
    for channels in (1, 3)
    for resize in ("stretch", "fit", "fill")
    for invert in (False, True)
    for size in ((28, 28), (1, 32))
)
ORIENTATION = 0x0112


def door(_: Path) -> Door:
    return Door(seeds(), change, ask, peak=128 << 20)


def seeds() -> list[Case]:
    """PNG in every mode, interlaced too; JPEG in grey, colour and CMYK, in one scan and in many."""
    pixels = digits().train_images
    made = [_saved(_digit(pixels[i, 0], mode), "PNG") for i, mode in enumerate(MODES)]
    made += [_saved(_digit(pixels[9, 0], mode), "JPEG", progressive=p) for mode in ("L", "RGB", "CMYK") for p in (0, 1)]
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    made += [_saved(_digit(pixels[10, 0], "L"), kind, exif=exif) for kind in ("PNG", "JPEG")]
    made.append(_saved(_digit(pixels[11, 0], "P"), "PNG", transparency=0, optimize=True))
    made.append(_saved(_digit(pixels[12, 0], "L"), "PNG", save_all=True, append_images=[_digit(pixels[13, 0], "L")]))
    return [(bytes([at]), data) for at, data in enumerate(made)]


def change(random: Random, case: Case) -> Case:
    way, data = case
    if random.random() < 0.1:
        way = bytes([random.randrange(256)])
    if random.random() < 0.2:
        return way, bytewise.changed(random, data)
    return way, (chunks.jpeg if data.startswith(b"\xff\xd8") else chunks.png)(random, data)


def ask(case: Case) -> str:
    """What is taken has the model's size."""
    way, data = case
    preprocess, size = WAYS[int.from_bytes(way, "big") % len(WAYS)]
    try:
        found = pictures.pixels(data, preprocess, size, MOST)
    except ImageError as error:
        return f"{refused(error)} {VARIABLE.sub('', repr(error.__cause__))[:60]}"
    demand(
        found.dtype == np.uint8 and found.shape == (preprocess.channels, *size),
        "it has the model's size",
        str(found.shape),
    )
    return taken(preprocess.channels, preprocess.resize, data[:1])


def _digit(pixels: Any, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(pixels.astype(np.uint16) * 257)
    return Image.fromarray(pixels).convert(mode)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
