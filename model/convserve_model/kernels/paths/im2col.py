"""Convolution as one matrix product over all positions: weight (Cout x CKK) @ columns (CKK x rows*wo*n).

Any window, stride, dilation and groups. Source: Chellapilla, Puri, Simard, "High performance convolutional neural
networks for document processing" (2006).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array

MANY = 256  # weights for each position


@dataclass(frozen=True)
class Im2col:
    """Every position's window as a column; for a 1x1 window with stride 1 the columns are the strip itself."""

    window: Window
    groups: int = 1

    def pack(self, weight: Array) -> Array:
        """[Cout,C/g,kh,kw] -> [g,Cout/g,CKK/g]."""
        return weight.reshape(self.groups, weight.shape[0] // self.groups, -1)

    def strip(self, x: Array, rows: range) -> Array:
        """What `correlate` needs of x [C,H,W,N] for these output rows."""
        return self.window.strip(x, rows)

    def correlate(self, packed: Array, strip: Array, out: Array) -> None:
        """strip [C,h,w,N] -> out [Cout,rows,wo,N]."""
        np.matmul(packed, self._columns(strip), out=out.reshape(*packed.shape[:2], -1, copy=False))

    def plan(self, packed: Array, x: Array, rows: range, out: Array) -> list[Callable[[], Any]]:
        """`correlate` on the strip of these rows, as calls."""
        strip, calls = self.window.planned_strip(x, rows)
        view = self.window.view(strip)
        columns = self._columns(strip)
        if not np.may_share_memory(columns, strip):
            calls.append(partial(np.copyto, columns.reshape(view.shape), view))
        return [*calls, partial(np.matmul, packed, columns, out.reshape(*packed.shape[:2], -1, copy=False))]

    def weight_gradient(self, strip: Array, dout: Array) -> Array:
        """[g,Cout/g,CKK/g]; the transposed product is faster, but transposing many weights back costs more."""
        g, columns = self.groups, self._columns(strip)
        dmatrix = dout.reshape(g, dout.shape[0] // g, -1)
        if columns.shape[1] * dmatrix.shape[1] > MANY * columns.shape[2]:
            return np.asarray(dmatrix @ columns.transpose(0, 2, 1))
        return np.asarray((columns @ dmatrix.transpose(0, 2, 1)).transpose(0, 2, 1))

    def unpack(self, total: Array, shape: tuple[int, ...]) -> Array:
        """The sum of `weight_gradient` over strips as dL/dweight of `shape`."""
        return total.reshape(shape)

    def input_columns(self, packed: Array, dout: Array) -> Array:
        """dL/dcolumns [C,kh,kw,rows,wo,N], which `Window.scatter` adds up."""
        g, out = self.groups, dout.shape[0] // self.groups
        dcolumns = packed.transpose(0, 2, 1) @ dout.reshape(g, out, -1)
        return dcolumns.reshape(-1, *self.window.size, *dout.shape[1:])

    def _columns(self, strip: Array) -> Array:
        columns = self.window.view(strip)
        return columns.reshape(self.groups, columns[: len(columns) // self.groups, :, :, 0, 0, 0].size, -1)
