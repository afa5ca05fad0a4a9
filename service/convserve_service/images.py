"""A picture as the input of a model."""

import numpy as np
import numpy.typing as npt

from convserve_service.live import Live


def picture(live: Live, data: bytes, max_pixels: int) -> npt.NDArray[np.uint8]:
    """uint8 [C,H,W] of a picture, as the model's preprocessing wants it."""
    from convserve_service import pictures

    spec = live.specification
    return pictures.pixels(data, spec.preprocess, spec.network.input[1:], max_pixels)
