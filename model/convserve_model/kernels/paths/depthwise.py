"""Depthwise convolution as matrix products: a block of output columns is a banded matrix times the rows that it sees.

The input is laid out in blocks of columns, with the rows of a block one behind the other: the rows that an output row
sees are one operand, and every block and row of a channel shares the channel's matrix.
"""

from functools import partial

import numpy as np

from convserve_model.calls import contiguous
from convserve_model.kernels.parameters import Parameter
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Call, Empty, Pair, Plan, Shape
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace

BLOCK = 8  # output columns: more waste multiplications by zeros, fewer waste calls


@dataclass(frozen=True)
class Depthwise:
    """For one output channel per input channel and windows without vertical dilation; `columns` are of the output."""

    window: Window
    columns: int

    def pack(self, weight: Parameter) -> Plan:
        """[C,1,kh,kw] -> T [C,1,1,block,kh*width]: a band for each row of the window."""
        (kh, kw), (block, width), c = self.window.size, self.block, weight.shape[0]
        matrix = np.zeros((c, block, kh, width), weight.dtype)
        bc, bo, bi, bw = matrix.strides
        steps = (bc, bo + self.window.stride[1] * bw, bi, self.window.dilation[1] * bw)
        band = np.ndarray((c, block, kh, kw), weight.dtype, matrix, 0, steps)
        return matrix.reshape(c, 1, 1, block, kh * width), [lambda: np.copyto(band, weight.now())]

    def strip(self, x: Array, rows: range, space: WorkSpace) -> Plan:
        """What these output rows see of x [C,H,W,N]."""
        return self.window.strip(x, rows, space, whole=(1, self.block[0]))

    def operand(self, strip: Array, space: WorkSpace) -> Plan:
        """The strip itself: the products read it in different ways."""
        return strip, []

    def correlate(self, packed: Array, operand: Array, out: Array, space: WorkSpace) -> list[Call]:
        """operand [C,h,w,N] -> out [C,rows,wo,N]."""
        (kh, _), (sh, sw), (block, width) = self.window.size, self.window.stride, self.block
        (c, h, _, n), (_, rows, wo, _) = operand.shape, out.shape
        count = -(-wo // block)
        memory = space.empty((c, count, h, width, n), operand.dtype)
        seen = (operand[:, :, b * block * sw : b * block * sw + width] for b in range(count))
        calls: list[Call] = [partial(np.copyto, memory[:, b], columns) for b, columns in enumerate(seen)]
        row = width * n
        strides = (count * h * row, h * row, sh * row, n, 1)
        operands = np.ndarray(
            (c, count, rows, kh * width, n), operand.dtype, memory, 0, tuple(operand.itemsize * s for s in strides)
        )
        whole = out if count * block == wo else space.empty((c, rows, count * block, n), out.dtype)
        blocks = whole.reshape(c, rows, count, block, n, copy=False)
        calls.append(partial(np.matmul, packed, operands, blocks.transpose(0, 2, 1, 3, 4)))
        if whole is not out:
            calls.append(partial(np.copyto, out, whole[:, :, :wo]))
        return calls

    def weight_gradient(self, operand: Array, dout: Array, space: WorkSpace, empty: Empty) -> Plan:
        """[kh*kw,C]: each tap's products, summed."""
        c, (kh, kw), rows = len(operand), self.window.size, range(dout.shape[1])
        gradient = empty((kh * kw, c), dout.dtype)
        taps = [(i, j) for i in range(kh) for j in range(kw)]
        calls: list[Call] = []
        if self.window.stride != (1, 1):
            wide = operand[:, :, : self.window.span(1, self.columns)[1]]
            seen = space.empty(dout.shape, dout.dtype)
            for tap, place in zip(self.window.taps(wide, rows), gradient, strict=True):
                calls.append(partial(np.copyto, seen, tap))
                calls.append(partial(np.vecdot, dout.reshape(c, -1), seen.reshape(c, -1), place))
            return gradient, calls
        _, _, w, n = operand.shape
        padded = space.empty((c, len(rows), w, n), dout.dtype)  # as wide as the strip: a tap is a shift of the whole
        image, copying = contiguous(operand, space)
        calls = [*copying, partial(padded.fill, 0), partial(np.copyto, padded[:, :, : self.columns], dout)]
        length = (len(rows) * w - w + self.columns) * n
        flat, shifted = padded.reshape(c, -1)[:, :length], image.reshape(c, -1)
        for (i, j), place in zip(taps, gradient, strict=True):
            shift = (i * w + j * self.window.dilation[1]) * n
            calls.append(partial(np.vecdot, flat, shifted[:, shift : shift + length], place))
        return gradient, calls

    def unpack(self, total: Array, shape: Shape) -> Array:
        """The sum of `weight_gradient` over strips as dL/dweight of `shape`."""
        return total.T.reshape(shape)

    @property
    def block(self) -> Pair:
        """Columns of a block of the output, and of what it sees."""
        block = -(-self.columns // -(-self.columns // BLOCK))
        return block, self.window.span(1, block)[1]
