"""Whatever a person has as a picture, as the bytes of a PNG or JPEG file; without Pillow."""

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from convserve_client.errors import ConvserveError
from convserve_wire.tensors import Array

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
COLOR_TYPES = {1: 0, 3: 2}  # channels -> grey, RGB


def picture(source: Any) -> bytes:
    """The file's bytes of a path, of bytes, of a Pillow image, or of a uint8 array [H,W], [1,H,W], [3,H,W], [H,W,3]."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if isinstance(source, (str, os.PathLike)):
        return Path(source).read_bytes()
    if isinstance(source, np.ndarray):
        return png(source)
    if hasattr(source, "save"):
        file = io.BytesIO()
        try:
            source.save(file, "PNG")
        except OSError as error:
            raise ConvserveError(f"this image cannot be written as PNG: {error}; convert it to RGB") from error
        return file.getvalue()
    raise ConvserveError(
        "a picture is a path, bytes of a PNG or JPEG, a Pillow image or a uint8 array, but this is a"
        f" {type(source).__name__}"
    )


def numbers(source: Any) -> bool:
    """Whether this is a float array: no picture, but `x` itself."""
    return isinstance(source, np.ndarray) and source.dtype.kind == "f"


def instances(arrays: list[Array]) -> list[Array]:
    """Float arrays [C,H,W] or [H,W] as JSON can carry them: float32, finite."""
    if not all(numbers(array) for array in arrays):
        raise ConvserveError("float arrays and pictures cannot go together; send them in two calls")
    with np.errstate(over="ignore"):
        converted = [np.ascontiguousarray(array, np.float32) for array in arrays]
    for at, array in enumerate(converted):
        if not np.isfinite(array).all():
            raise ConvserveError(f"array {at} has a NaN, an infinity or a value too large for float32")
    return converted


def media_type(data: bytes) -> str:
    """`image/jpeg` by its first bytes, else `image/png`: the server looks for itself."""
    return "image/jpeg" if data.startswith(JPEG) else "image/png"


def png(array: Array) -> bytes:
    """A PNG file of a uint8 array [H,W], [1,H,W], [3,H,W] or [H,W,3] (PNG specification, third edition)."""
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise ConvserveError(
            f"a picture is uint8 [H,W], [C,H,W] or [H,W,3], but this is {array.dtype} {list(array.shape)};"
            " convert it to uint8, or to float for numbers that are taken as they are"
        )
    pixels = array[None] if array.ndim == 2 else array
    if pixels.shape[0] in COLOR_TYPES:
        pixels = pixels.transpose(1, 2, 0)
    height, width, channels = pixels.shape
    if channels not in COLOR_TYPES:
        raise ConvserveError(f"a picture has 1 or 3 channels, but this array is {list(array.shape)}")
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, COLOR_TYPES[channels], 0, 0, 0)
    return PNG + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows.tobytes())) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
