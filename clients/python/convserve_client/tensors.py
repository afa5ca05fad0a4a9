"""Arrays as a person has them, in the form that the service takes."""

from typing import Any

import numpy as np

from convserve_client.errors import ConvserveError
from convserve_wire.tensors import Array


def images(x: Any) -> Array:
    """[N,C,H,W]: a channel axis is added to [N,H,W]; uint8 stays, everything else becomes float32."""
    array = np.asarray(x)
    if array.ndim == 3:
        array = array[:, None]
    return array if array.dtype == np.uint8 else array.astype(np.float32, copy=False)


def targets(y: Any) -> Array:
    """Integers as int64 class indices, everything else as float32."""
    array = np.asarray(y)
    return array.astype(np.int64 if array.dtype.kind in "iu" else np.float32, copy=False)


def paired(x: Any, y: Any) -> tuple[Array, Array]:
    """Images and their targets; ConvserveError where there is not one target for each image, or there is none."""
    x, y = images(x), targets(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or not len(x):
        raise ConvserveError(
            f"x is {list(x.shape)} and y is {list(y.shape)}, but both need the same number of rows, at least one"
        )
    return x, y
