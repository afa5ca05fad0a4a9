"""The instances of a request: numbers as they are, and pictures as the model sees them."""

import base64
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from convserve_service import images
from convserve_service.errors import LimitError, RequestError
from convserve_service.live import Live
from convserve_service.settings import Settings
from convserve_wire.messages import Base64Image
from convserve_wire.tensors import Array, from_json, nested_shape

T = TypeVar("T")


def arrays(
    live: Live, instances: Sequence[Base64Image | list[object]], settings: Settings, check: Callable[[], None]
) -> list[Array]:
    """A row for each instance: [C,H,W] or [H,W] of numbers, or `{"b64": ...}`."""
    return [_array(live, at, value, settings) for at, value in enumerate(few(instances, settings.max_rows, check))]


def few(pictures: Sequence[T], most: int, check: Callable[[], None]) -> Iterator[T]:
    """Each, and a check before it; LimitError at the first where there are too many."""
    if len(pictures) > most:
        raise LimitError(f"there are {len(pictures)} pictures, but one request may have {most}")
    for picture in pictures:
        check()
        yield picture


def _array(live: Live, at: int, value: Base64Image | list[object], settings: Settings) -> Array:
    where = f"instances[{at}]"
    if isinstance(value, Base64Image):
        try:
            array = images.picture(live, base64.b64decode(value.b64, validate=True), settings.max_pixels)
        except ValueError as error:  # binascii's, or letters beyond ASCII
            raise RequestError("b64 is not base64; encode the bytes of a PNG or JPEG", f"{where}.b64") from error
        return live.specification.preprocess.normalize(array[None])[0]  # type: ignore[no-any-return]
    array = from_json(value, "FP32", nested_shape(value), where)
    return array[None] if array.ndim == 2 else array
