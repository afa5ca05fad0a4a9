"""Convolution row by row: each input row is laid out once for the horizontal taps, and the rows that an output row
sees are one operand, because they lie one behind the other.

Only kw copies of the input are made where im2col makes kh * kw, and a product's columns are one row of the output.
"""

from functools import partial

import numpy as np

from convserve_model.kernels.parameters import Parameter
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Call, Empty, Plan
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace

BLOCK = 256  # columns of one product: OpenBLAS has kernels of its own for small ones
GAP = 16  # elements between rows, so that rows of a power of two do not share cache sets


@dataclass(frozen=True)
class RowWise:
    """For windows without vertical dilation and without groups."""

    window: Window

    def pack(self, weight: Parameter) -> Plan:
        """[Cout,C,kh,kw] -> [Cout,kh*kw*C]."""
        cout, c, kh, kw = weight.shape
        packed = np.empty((cout, kh, kw, c), weight.dtype)
        return packed.reshape(cout, -1), [weight.copying(packed, 0, 2, 3, 1)]

    def strip(self, x: Array, rows: range, space: WorkSpace) -> Plan:
        """What these output rows see of x [C,H,W,N]."""
        return self.window.strip(x, rows, space)

    def operand(self, strip: Array, space: WorkSpace) -> Plan:
        """[C,h,w,N] -> [h,kw,C,wo*N+GAP]: each input row for each horizontal tap; the gap is not filled."""
        (_, kw), (_, sw), (_, dw) = self.window.size, self.window.stride, self.window.dilation
        seen = Window((1, kw), (1, sw), (0, 0), (1, dw)).view(strip)[:, 0].transpose(2, 1, 0, 3, 4)
        *lines, wo, n = seen.shape
        columns = space.empty((*lines, wo * n + GAP), strip.dtype)
        return columns, [partial(np.copyto, columns[..., : wo * n].reshape(seen.shape, copy=False), seen)]

    def correlate(self, packed: Array, operand: Array, out: Array, space: WorkSpace) -> list[Call]:
        """operand -> out [Cout,rows,wo,N]."""
        cout, rows, wo, n = out.shape
        block = BLOCK if wo * n % BLOCK == 0 else wo * n
        operands = self._operands(operand, rows, block)
        products = space.empty((*operands.shape[:2], cout, block), out.dtype)
        target = out.reshape(cout, rows, -1, block, copy=False)
        return [
            partial(np.matmul, packed, operands, products),
            partial(np.copyto, target, products.transpose(2, 0, 1, 3)),
        ]

    def weight_gradient(self, operand: Array, dout: Array, space: WorkSpace, empty: Empty) -> Plan:
        """[kh*kw*C,Cout]."""
        cout, rows, wo, n = dout.shape
        operands = self._operands(operand, rows, wo * n)[:, 0]
        gradient = empty((operands.shape[1], cout), dout.dtype)
        transposed = space.empty((rows, wo * n, cout), dout.dtype)
        products = space.empty((rows, *gradient.shape), dout.dtype)
        return gradient, [
            partial(np.copyto, transposed, dout.reshape(cout, rows, -1).transpose(1, 2, 0)),
            partial(np.matmul, operands, transposed, products),
            partial(np.add.reduce, products, 0, None, gradient),
        ]

    def unpack(self, total: Array, shape: tuple[int, ...]) -> Array:
        """The sum of `weight_gradient` over strips as dL/dweight of `shape`."""
        cout, c, kh, kw = shape
        return total.reshape(kh, kw, c, cout).transpose(3, 2, 0, 1)

    def _operands(self, operand: Array, rows: int, block: int) -> Array:
        """[rows,wo*N/block,kh*kw*C,block]: what each block of each output row sees, as overlapping views."""
        _, kw, c, line = operand.shape
        strides = (self.window.stride[0] * kw * c * line, block, line, 1)
        shape = (rows, (line - GAP) // block, self.window.size[0] * kw * c, block)
        return np.ndarray(shape, operand.dtype, operand, 0, tuple(stride * operand.itemsize for stride in strides))
