"""What a tolerance means in all tests."""

from typing import Any

import numpy as np
import numpy.typing as npt


def relative_error(got: npt.NDArray[Any], expected: npt.NDArray[Any], group: float = 0.0) -> float:
    """max|got - expected| / max(max|expected|, 0.1 * group), `group` the largest magnitude among its like."""
    assert got.shape == expected.shape
    difference = np.abs(got.astype(np.float64) - expected.astype(np.float64)).max(initial=0.0)
    scale = max(float(np.abs(expected).max(initial=0.0)), 0.1 * group)
    if not scale:
        return 0.0 if difference == 0 else float("inf")
    return float(difference / scale)
