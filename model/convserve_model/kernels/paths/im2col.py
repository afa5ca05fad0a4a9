"""Convolution as one matrix product over all positions: weight (Cout x CKK) @ columns (CKK x rows*wo*n).

Any window, stride, dilation and groups. Source: Chellapilla, Puri, Simard, "High performance convolutional neural
networks for document processing" (2006).
"""

from functools import partial
from math import prod

import numpy as np

from convserve_model.kernels.parameters import Parameter
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Call, Empty, Plan
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace

MANY = 256  # weights for each position


@dataclass(frozen=True)
class Im2col:
    """Every position's window as a column; for a 1x1 window with stride 1 the columns are the strip itself."""

    window: Window
    groups: int = 1

    def pack(self, weight: Parameter) -> Plan:
        """[Cout,C/g,kh,kw] -> [g,Cout/g,CKK/g]."""
        still, calls = weight.still()
        return still.reshape(self.groups, len(still) // self.groups, -1, copy=False), calls

    def strip(self, x: Array, rows: range, space: WorkSpace) -> Plan:
        """What these output rows see of x [C,H,W,N]."""
        return self.window.strip(x, rows, space)

    def operand(self, strip: Array, space: WorkSpace) -> Plan:
        """[C,h,w,N] -> [g,C/g*kh*kw,rows*wo*N]."""
        view = self.window.view(strip)
        columns: Array = view
        calls: list[Call] = []
        if not (self.window.size == self.window.stride == (1, 1) and strip[0].flags.c_contiguous):
            columns = space.empty(view.shape, view.dtype)
            calls.append(partial(np.copyto, columns, view))
        length = len(strip) // self.groups * prod(self.window.size)
        return columns.reshape(self.groups, length, -1, copy=False), calls

    def correlate(self, packed: Array, operand: Array, out: Array, space: WorkSpace) -> list[Call]:
        """operand -> out [Cout,rows,wo,N]."""
        return [partial(np.matmul, packed, operand, out.reshape(*packed.shape[:2], -1, copy=False))]

    def weight_gradient(self, operand: Array, dout: Array, space: WorkSpace, empty: Empty) -> Plan:
        """[g,Cout/g,CKK/g]; the transposed product is faster, but transposing many weights back costs more."""
        dmatrix = dout.reshape(self.groups, dout.shape[0] // self.groups, -1)
        (g, outputs, positions), taps = dmatrix.shape, operand.shape[1]
        if taps * outputs > MANY * positions:
            gradient = empty((g, outputs, taps), dout.dtype)
            return gradient, [partial(np.matmul, dmatrix, operand.transpose(0, 2, 1), gradient)]
        gradient = empty((g, taps, outputs), dout.dtype)
        return gradient.transpose(0, 2, 1), [partial(np.matmul, operand, dmatrix.transpose(0, 2, 1), gradient)]

    def unpack(self, total: Array, shape: tuple[int, ...]) -> Array:
        """The sum of `weight_gradient` over strips as dL/dweight of `shape`."""
        return total.reshape(shape)

    def input_columns(self, packed: Array, dout: Array, space: WorkSpace) -> Plan:
        """dL/dcolumns [C,kh,kw,rows,wo,N], which `Window.scatter` adds up."""
        g, out, taps = packed.shape
        product = np.multiply if out == 1 else np.matmul  # BLAS is slow at outer products
        dcolumns = space.empty((g, taps, dout[0].size), dout.dtype)
        call = partial(product, packed.transpose(0, 2, 1), dout.reshape(g, out, -1), dcolumns)
        return dcolumns.reshape(-1, *self.window.size, *dout.shape[1:]), [call]
