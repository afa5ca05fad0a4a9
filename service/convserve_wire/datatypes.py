"""The V2 datatypes and their little-endian NumPy dtypes; BYTES is an object array of bytes."""

from functools import lru_cache
from typing import Any

import numpy as np

from convserve_wire.errors import TensorError

DATATYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype("O"),
}
NAMES = {dtype: name for name, dtype in DATATYPES.items()}


@lru_cache(64)
def datatype_of(dtype: np.dtype[Any]) -> str:
    """The V2 name of a dtype in any byte order; TensorError where there is none."""
    name = NAMES.get(dtype.newbyteorder("<"))
    if name is None:
        raise TensorError(f"dtype {dtype} cannot cross the wire; convert it to one of {', '.join(map(str, NAMES))}")
    return name
