"""The fully connected product."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from convserve_model.protocols import Array, Backward, Gradients, Params, Run

PART = 1 << 17  # weights of a product that is worth a thread of its own


@dataclass(frozen=True)
class MatMul:
    """y = weight @ x + bias with weight [out,in], PyTorch's Linear; large ones in parts of the rows of weight."""

    gives_away: ClassVar[bool] = True

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [in,N] -> y [out,N]."""
        (x,) = xs
        weight = w["weight"]
        y = np.empty((len(weight), x.shape[1]), x.dtype)
        for _ in run.map(lambda rows: np.matmul(weight[rows], x, out=y[rows]), _parts(weight)):
            pass
        if "bias" in w:
            y += w["bias"][:, None]

        def backward(dy: Array) -> Gradients:
            grads: dict[str, Array] = {}
            if run.need_params:
                dweight = run.into.get("weight") if run.into else None
                dweight = np.empty_like(weight) if dweight is None else dweight
                transposed = np.ascontiguousarray(x.T)
                product = np.multiply if x.shape[1] == 1 else np.matmul  # BLAS is slow at outer products
                for _ in run.map(lambda rows: product(dy[rows], transposed, out=dweight[rows]), _parts(weight)):
                    pass
                grads["weight"] = dweight
                if "bias" in w:
                    grads["bias"] = dy.sum(axis=1)
            return (self._input_gradient(weight, dy, run) if run.need[0] else None,), grads

        return y, backward

    def _input_gradient(self, weight: Array, dy: Array, run: Run) -> Array:
        dx = np.empty((weight.shape[1], dy.shape[1]), dy.dtype)
        turned = weight.T
        for _ in run.map(lambda rows: np.matmul(turned[rows], dy, out=dx[rows]), _parts(turned)):
            pass
        return dx


def _parts(matrix: Array) -> list[slice]:
    """Slices of rows, each of at least about PART elements."""
    rows = len(matrix)
    step = -(-rows // max(1, min(4, matrix.size // PART)))
    return [slice(start, start + step) for start in range(0, rows, step)]
