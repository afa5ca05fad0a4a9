"""Convolution as matrix products over strips of output rows.

y = W (Cout x CKK) @ cols (CKK x rows*wo*n), group by group; a strip's columns stay in the cache. Source: Chellapilla,
Puri, Simard, "High performance convolutional neural networks for document processing" (2006).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Backward, Gradients, Params, Run

STRIP_BYTES = 2 << 20  # columns of one strip: about a core's share of the cache


@dataclass(frozen=True)
class Im2col:
    """Cross-correlation with weight [Cout,Cin/groups,kh,kw] and bias [Cout], PyTorch's Conv2d."""

    window: Window
    groups: int

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [Cin,H,W,N] -> y [Cout,ho,wo,N]."""
        (x,) = xs
        g, weight = self.groups, w["weight"]
        cout, n = weight.shape[0], x.shape[-1]
        matrix = weight.reshape(g, cout // g, -1)  # [G, Cout/G, CKK/G]
        padded = self.window.pad(x)
        columns = self.window.view(padded)  # [Cin, kh, kw, ho, wo, N]
        ho, wo = columns.shape[3:5]
        y = np.empty((cout, ho, wo, n), x.dtype)
        for rows in strips(columns):
            y[:, rows.start : rows.stop] = (matrix @ self._gather(columns, rows)).reshape(cout, len(rows), wo, n)
        if "bias" in w:
            y += w["bias"][:, None, None, None]

        def backward(dy: Array) -> Gradients:
            grads: dict[str, Array] = {}
            dpadded = np.zeros_like(padded) if run.need[0] else None
            dmatrix = np.zeros((g, matrix.shape[2], cout // g), x.dtype)  # transposed: GEMM likes it
            for rows in strips(columns):
                dstrip = dy[:, rows.start : rows.stop].reshape(g, cout // g, -1)  # [G, Cout/G, rows*wo*n]
                if run.need_params:
                    dmatrix += self._gather(columns, rows) @ dstrip.transpose(0, 2, 1)
                if dpadded is not None:
                    dcols = matrix.transpose(0, 2, 1) @ dstrip
                    self.window.scatter(dcols.reshape(*columns.shape[:3], len(rows), wo, n), dpadded, rows)
            if run.need_params:
                grads["weight"] = dmatrix.transpose(0, 2, 1).reshape(weight.shape)
                if "bias" in w:
                    grads["bias"] = dy.reshape(cout, -1).sum(axis=1)
            return (None if dpadded is None else self.window.crop(dpadded),), grads

        return y, backward

    def _gather(self, columns: Array, rows: range) -> Array:
        """The strip's columns as matrices [G, CKK/G, rows*wo*n]."""
        strip = np.ascontiguousarray(columns[:, :, :, rows.start : rows.stop])
        return strip.reshape(self.groups, strip[: strip.shape[0] // self.groups, :, :, 0, 0, 0].size, -1)


def strips(columns: Array) -> Iterator[range]:
    """Cuts the output rows of columns [C,kh,kw,ho,wo,N] so that one strip holds at most about STRIP_BYTES."""
    ho = columns.shape[3]
    size = max(1, STRIP_BYTES * ho // max(1, columns.size * columns.itemsize))
    for start in range(0, ho, size):
        yield range(start, min(start + size, ho))
