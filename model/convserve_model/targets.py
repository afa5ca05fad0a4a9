"""Checks of what a loss compares with: class indices, values, cotangents."""

import numpy as np

from convserve_model.errors import TargetError
from convserve_model.losses import Loss
from convserve_model.protocols import Array


def check(y: Array, n: int, classes: int, loss: Loss) -> Array:
    """y as int64 [N] (indices) or float [N,K]; TargetError names the element."""
    if y.dtype.kind in "iu" and loss.takes_indices:
        return check_indices(y, n, classes)
    if y.dtype.kind != "f":
        needed = "an integer type, or floating-point for probabilities" if loss.takes_indices else "floating-point"
        raise TargetError(f"y has dtype {y.dtype}, but this loss needs {needed}", "y")
    if y.shape != (n, classes):
        raise TargetError(f"y has shape {list(y.shape)}, but it must be {[n, classes]}", "y")
    if not np.isfinite(y).all():
        raise TargetError("y holds a NaN or an infinity", "y")
    return y


def check_indices(y: Array, n: int, classes: int, name: str = "y") -> Array:
    """y as int64 [N], each one of the classes."""
    if y.shape != (n,) or y.dtype.kind not in "iu":
        got = f"shape {list(y.shape)}" if y.shape != (n,) else f"dtype {y.dtype}"
        raise TargetError(f"{name} has {got}, but class indices are integers [{n}], one for each row of x", name)
    wrong = (y < 0) | (y >= classes)
    if wrong.any():
        at = int(wrong.argmax())
        raise TargetError(f"{name}[{at}] is {y[at]}, but labels must be from 0 to {classes - 1}", f"{name}[{at}]")
    return y.astype(np.int64, copy=False)


def check_cotangent(cotangent: Array, n: int, classes: int) -> Array:
    """dL/dlogits, floating-point [N,K]."""
    if cotangent.shape != (n, classes) or cotangent.dtype.kind != "f":
        got = f"shape {list(cotangent.shape)} and dtype {cotangent.dtype}"
        raise TargetError(f"cotangent has {got}, but it must be floating-point {[n, classes]}", "cotangent")
    return cotangent
