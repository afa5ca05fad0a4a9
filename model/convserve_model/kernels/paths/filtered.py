"""Convolution with a 3x3 window and stride 1 by Winograd's minimal filtering across, and row by row down.

Four outputs side by side take six products instead of twelve. The three rows that an output row sees lie one behind
the other once they are transformed, so that the products sum over them, and nothing is transformed down: half of what
tiles of 4x4 save, and a quarter of their transforms, which are worth more where there are few channels.
"""

from functools import partial

import numpy as np

from convserve_model.kernels.parameters import Parameter
from convserve_model.kernels.paths.winograd import TAPS, along, placed
from convserve_model.kernels.windows import Window, inside
from convserve_model.protocols import Array, Call, Plan
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace

OUTPUTS = 4  # side by side
INPUTS = OUTPUTS + TAPS - 1


@dataclass(frozen=True)
class Filtered:
    """For 3x3 windows with stride and dilation 1 and without groups."""

    window: Window

    def pack(self, weight: Parameter) -> Plan:
        """[Cout,C,3,3] -> U [points,1,Cout,3*C]."""
        (cout, c), transform = weight.shape[:2], along(OUTPUTS, weight.dtype).weight
        across = np.empty((TAPS, cout, TAPS, c), weight.dtype)
        packed, product = _transformed(transform, across)
        return packed.reshape(INPUTS, 1, cout, -1), [weight.copying(across, 3, 0, 2, 1), product]

    def pack_turned(self, weight: Parameter) -> Plan:
        """U [points,1,C,3*Cout] of the weights turned by half a turn: transforms turned the other way do it."""
        (cout, c), transform = weight.shape[:2], along(OUTPUTS, weight.dtype).turned
        across = np.empty((TAPS, TAPS, cout, c), weight.dtype)
        packed, product = _transformed(transform, across)
        turned = packed.reshape(INPUTS, 1, -1, c).swapaxes(2, 3)
        return turned, [weight.copying(across[:, ::-1], 3, 2, 0, 1), product]

    def strip(self, x: Array, rows: range, space: WorkSpace) -> Plan:
        """What these output rows see of x [C,H,W,N], with zeros beyond the borders: [h,inputs,C,tiles across,N]."""
        (c, h, w, n), (ph, pw) = x.shape, self.window.padding
        height, tiles = len(rows) + TAPS - 1, -(-self.window.output(h, w)[1] // OUTPUTS)
        down, seen = inside(h, rows.start - ph, 1, height)
        across = [inside(w, j - pw, OUTPUTS, tiles) for j in range(INPUTS)]
        inner = tuple((place.start, place.stop) for place in (down, *(place for place, _ in across)))
        strip = space.bordered((height, INPUTS, c, tiles, n), x.dtype, inner, 0.0)
        return strip, [
            partial(np.copyto, strip[down, j, :, place], x[:, seen, columns].swapaxes(0, 1))
            for j, (place, columns) in enumerate(across)
        ]

    def operand(self, strip: Array, space: WorkSpace) -> Plan:
        """V [points,h,C,tiles across*N]: the inputs of four outputs, transformed."""
        h, _, c, tiles, n = strip.shape
        points = space.empty((INPUTS, h, c, tiles * n), strip.dtype)
        target = points.reshape(INPUTS, h, -1).transpose(1, 0, 2)
        transform = along(OUTPUTS, strip.dtype).input
        return points, [partial(np.matmul, transform, strip.reshape(h, INPUTS, -1), target)]

    def correlate(self, packed: Array, operand: Array, out: Array, space: WorkSpace) -> list[Call]:
        """V -> out [Cout,rows,wo,N]."""
        (cout, rows, _, n), (points, _, c, length) = out.shape, operand.shape
        shape = (points, rows, TAPS * c, length)
        seen = np.ndarray(shape, operand.dtype, operand, 0, operand.strides)  # the rows of an output row: they overlap
        products = space.empty((rows, points, cout, length), out.dtype)
        results = space.empty((rows, OUTPUTS, cout, length // n, n), out.dtype)
        transform = along(OUTPUTS, out.dtype).output
        tiles = results.transpose(2, 1, 0, 3, 4)[:, None]  # of one row each
        return [
            partial(np.matmul, packed, seen, products.transpose(1, 0, 2, 3)),
            partial(np.matmul, transform, products.reshape(rows, points, -1), results.reshape(rows, OUTPUTS, -1)),
            *(partial(np.copyto, target, result) for target, result in placed(out, tiles)),
        ]


def _transformed(transform: Array, across: Array) -> tuple[Array, Call]:
    """U of taps [3 across,...], and the call that fills it."""
    packed = np.empty((INPUTS, *across.shape[1:]), across.dtype)
    return packed, partial(np.matmul, transform, across.reshape(TAPS, -1), packed.reshape(INPUTS, -1))
