"""The fully connected product."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import numpy as np

from convserve_model.calls import contiguous, given, make, together
from convserve_model.kernels.costs import PARTS, takes_long
from convserve_model.protocols import Array, Backward, Call, Forward, Later, Params, Run
from convserve_model.values import dataclass

PART = 1 << 17  # weights of a product that is worth a thread of its own


@dataclass(frozen=True)
class MatMul:
    """y = weight @ x + bias with weight [out,in], PyTorch's Linear; large ones in parts of the rows of weight."""

    gives_away: ClassVar[bool] = True

    def plan(self, w: Params, *xs: Array, run: Run) -> Forward:
        """x [in,N] -> y [out,N]."""
        (x,) = xs
        outputs, inputs = w["weight"].shape
        y = run.empty((outputs, x.shape[1]), x.dtype)

        def multiply(rows: slice, out: Array) -> None:
            np.matmul(w["weight"][rows], x, out)

        def shift() -> None:
            np.add(y, w["bias"][:, None], y)

        def adjoint(dy: Array) -> Backward:
            dparams: dict[str, Array] = {}
            own: list[Call] = []  # for gradients of the parameters
            defers = run.defers and takes_long(outputs * inputs, x.shape[1])
            if run.need_params:
                transposed, own = contiguous(x.T, run.apart(0) if defers else run.space(0))
                product = np.multiply if x.shape[1] == 1 else np.matmul  # BLAS is slow at outer products

                def differentiate() -> None:
                    dweight = run.into.get("weight")
                    dweight = np.empty_like(w["weight"]) if dweight is None else dweight
                    make(_in_parts(lambda rows, out: partial(product, dy[rows], transposed, out), dweight, inputs, run))
                    dparams["weight"] = dweight

                own.append(differentiate)
                if "bias" in w:
                    own += given(run, dparams, x.dtype, bias=partial(dy.sum, axis=1))
            dx = run.empty(x.shape, x.dtype) if run.need[0] else None

            def distribute(rows: slice, out: Array) -> None:
                np.matmul(w["weight"].T[rows], dy, out)

            calls = [] if dx is None else _in_parts(partial(partial, distribute), dx, outputs, run)
            if defers:
                return Backward((dx,), calls, dparams, Later([own], []))
            return Backward((dx,), own + calls, dparams)

        if run.moves:
            calls = [*_in_parts(partial(partial, multiply), y, inputs, run), *([shift] if "bias" in w else [])]
        else:
            calls = _in_parts(lambda rows, out: partial(np.matmul, w["weight"][rows], x, out), y, inputs, run)
            calls += [partial(np.add, y, w["bias"][:, None], y)] if "bias" in w else []
        return Forward(y, calls, adjoint)


def _in_parts(part: Callable[[slice, Array], Call], out: Array, others: int, run: Run) -> list[Call]:
    """A product for slices of rows of its result that take at least about PART of the weights each."""
    step = -(-len(out) // max(1, min(PARTS, len(out) * others // PART)))
    parts = [slice(start, start + step) for start in range(0, len(out), step)]
    return together(run, [[part(rows, out[rows])] for rows in parts])
