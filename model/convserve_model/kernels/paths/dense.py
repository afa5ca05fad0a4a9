"""Convolution of small images as one dense matrix: every output by every input, most of it zeros.

More multiplications than any other way, and the fewest calls: no padding, no columns, one product.
"""

from functools import cache, partial
from math import prod

import numpy as np

from convserve_model.kernels.parameters import Parameter
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Call, Empty, Pair, Plan
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace


@dataclass(frozen=True)
class Dense:
    """For images of this size, which are never cut into strips."""

    window: Window
    groups: int
    size: Pair

    def pack(self, weight: Parameter) -> Plan:
        """[Cout,C/g,kh,kw] -> [g,Cout/g*ho*wo,C/g*H*W]."""
        cout, c = weight.shape[:2]
        outputs, inputs, taps = joined(self.window, self.size)
        matrix = np.zeros((cout, prod(self.window.output(*self.size)), c, prod(self.size)), weight.dtype)

        def join() -> None:
            values = weight.now().reshape(cout, c, -1, copy=False).transpose(2, 0, 1)
            matrix[:, outputs, :, inputs] = values[taps]

        return matrix.reshape(self.groups, -1, c * matrix.shape[3]), [join]

    def strip(self, x: Array, rows: range, space: WorkSpace) -> Plan:
        """What these output rows see of x [C,H,W,N]: all."""
        return x, []

    def operand(self, strip: Array, space: WorkSpace) -> Plan:
        """[C,H,W,N] -> [g,C/g*H*W,N]."""
        return self._flat(strip), []

    def correlate(self, packed: Array, operand: Array, out: Array, space: WorkSpace) -> list[Call]:
        """operand -> out [Cout,ho,wo,N]."""
        return [partial(np.matmul, packed, operand, self._flat(out))]

    def weight_gradient(self, operand: Array, dout: Array, space: WorkSpace, empty: Empty) -> Plan:
        """[g,Cout/g*ho*wo,C/g*H*W]."""
        flat = self._flat(dout)
        gradient = empty((*flat.shape[:2], operand.shape[1]), dout.dtype)
        return gradient, [partial(np.matmul, flat, operand.transpose(0, 2, 1), gradient)]

    def unpack(self, total: Array, shape: tuple[int, ...]) -> Array:
        """The sum of `weight_gradient` over strips as dL/dweight of `shape`."""
        cout, c, kh, kw = shape
        outputs, inputs, taps = joined(self.window, self.size)
        matrix = total.reshape(cout, -1, c, prod(self.size))
        chosen = (np.arange(kh * kw)[:, None] == taps).astype(total.dtype)
        sums = chosen @ matrix[:, outputs, :, inputs].reshape(len(taps), cout * c)
        return np.asarray(sums.reshape(kh, kw, cout, c).transpose(2, 3, 0, 1))

    def _flat(self, image: Array) -> Array:
        return image.reshape(self.groups, -1, image.shape[-1], copy=False)


@cache
def joined(window: Window, size: Pair) -> tuple[Array, Array, Array]:
    """Positions of outputs, of inputs and of the taps that join them."""
    (h, w), (kh, kw), (sh, sw), (ph, pw), (dh, dw) = size, window.size, window.stride, window.padding, window.dilation
    ho, wo = window.output(h, w)
    row, column, i, j = np.ogrid[:ho, :wo, :kh, :kw]
    y, x = row * sh + i * dh - ph, column * sw + j * dw - pw
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    positions = (row * wo + column, y * w + x, i * kw + j)
    outputs, inputs, taps = (np.broadcast_to(one, inside.shape)[inside] for one in positions)
    return outputs, inputs, taps
