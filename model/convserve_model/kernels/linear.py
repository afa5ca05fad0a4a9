"""The fully connected product."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from convserve_model.calls import done, make, together
from convserve_model.kernels.costs import PARTS
from convserve_model.protocols import Array, Backward, Call, Gradients, Params, Plan, Run

PART = 1 << 17  # weights of a product that is worth a thread of its own


@dataclass(frozen=True)
class MatMul:
    """y = weight @ x + bias with weight [out,in], PyTorch's Linear; large ones in parts of the rows of weight."""

    gives_away: ClassVar[bool] = True

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [in,N] -> y [out,N]."""
        (x,) = xs
        weight = w["weight"]
        y = done(self.plan(w, x, run=run))

        def backward(dy: Array) -> Gradients:
            grads: dict[str, Array] = {}
            if run.need_params:
                dweight = run.into.get("weight") if run.into else None
                dweight = np.empty_like(weight) if dweight is None else dweight
                transposed = np.ascontiguousarray(x.T)
                product = np.multiply if x.shape[1] == 1 else np.matmul  # BLAS is slow at outer products
                make(_in_parts(product, dy, transposed, dweight, weight.size, run))
                grads["weight"] = dweight
                if "bias" in w:
                    grads["bias"] = dy.sum(axis=1)
            if not run.need[0]:
                return (None,), grads
            dx = np.empty((weight.shape[1], dy.shape[1]), dy.dtype)
            make(_in_parts(np.matmul, weight.T, dy, dx, weight.size, run))
            return (dx,), grads

        return y, backward

    def plan(self, w: Params, *xs: Array, run: Run) -> Plan:
        (x,) = xs
        weight = w["weight"]
        y = run.empty((len(weight), x.shape[1]), x.dtype)
        calls = _in_parts(np.matmul, weight, x, y, weight.size, run)
        if "bias" in w:
            calls.append(partial(np.add, y, w["bias"][:, None], y))
        return y, calls


def _in_parts(product: np.ufunc, a: Array, b: Array, out: Array, weights: int, run: Run) -> list[Call]:
    """a [M,K] by b [K,N] into out, in slices of rows that have at least about PART of the weights each."""
    step = -(-len(a) // max(1, min(PARTS, weights // PART)))
    slices = [slice(start, start + step) for start in range(0, len(a), step)]
    return together(run.map, [[partial(product, a[some], b, out[some])] for some in slices])
