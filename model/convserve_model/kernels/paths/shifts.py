"""What a window's taps see, as long runs: with stride 1 each tap is the whole image, shifted.

With a stride the image is first cut into planes of every so many rows and columns, in which taps are shifts again.
A run goes over whole rows of a plane, from the first output to the last; what lies between the output's rows means
nothing.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convserve_model.kernels.windows import Window, inside
from convserve_model.protocols import Array, Call, Pair, Plan, Shape
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace

Taps = tuple[slice, slice]  # of the window, vertical and horizontal


@dataclass(frozen=True)
class Shifts:
    """For windows whose stride or dilation is 1, in each direction."""

    window: Window

    @property
    def groups(self) -> list[Taps]:
        """All taps, in groups that are evenly spaced: with a stride, those of the same shift in all planes."""
        vertical, horizontal = map(_groups, self.window.size, self.window.stride)
        return list(product(vertical, horizontal))

    def extents(self, rows: int, columns: int) -> Pair:
        """Rows and columns of a plane for an output of so many."""
        (h, w), (sh, sw) = self.window.span(rows, columns), self.window.stride
        return -(-h // sh), -(-w // sw)

    def planes(self, x: Array, rows: range, space: WorkSpace) -> Plan:
        """What output rows `rows` see of x [C,H,W,N]: [C,sh,sw,rows,columns,N], with zeros beyond the borders."""
        (sh, sw), (c, h, w, n) = self.window.stride, x.shape
        if (sh, sw) == (1, 1):
            strip, calls = self.window.strip(x, rows, space)
            if strip[0].flags.c_contiguous:
                return strip[:, None, None], calls
        height, width = self.extents(len(rows), self.window.output(h, w)[1])
        down = [inside(h, rows.start * sh - self.window.padding[0] + i, sh, height) for i in range(sh)]
        across = [inside(w, j - self.window.padding[1], sw, width) for j in range(sw)]
        inner = tuple((place.start, place.stop) for place, _ in down + across)
        planes = space.bordered((c, sh, sw, height, width, n), x.dtype, inner, 0.0)
        return planes, [
            partial(np.copyto, planes[:, i, j, there, where], x[:, seen, looked])
            for i, (there, seen) in enumerate(down)
            for j, (where, looked) in enumerate(across)
        ]

    def runs(self, planes: Array, out: Shape) -> list[Array]:
        """For each group a read-only view [C,taps down,taps across,L] of the planes for out [Cout,rows,wo,N].

        L is all of a plane's rows but for what follows the last output.
        """
        return list(self._views(planes, out))

    def wide(self, out: Array, space: WorkSpace) -> tuple[Array, Call]:
        """Where runs [C,L] of results go, and what brings them into out [C,rows,wo,N]."""
        c, rows, wo, n = out.shape
        _, width = self.extents(rows, wo)
        image = space.empty((c, rows, width, n), out.dtype)
        results = image.reshape(c, -1)[:, : ((rows - 1) * width + wo) * n]
        return results, partial(np.copyto, out, image[:, :, :wo])

    def _views(self, planes: Array, out: Shape) -> Iterator[Array]:
        (sh, sw), (dh, dw) = self.window.stride, self.window.dilation
        bc, bi, bj, bh, bw, _ = planes.strides
        step = bi if sh > 1 else bh * dh, bj if sw > 1 else bw * dw
        length = (out[1] - 1) * (bh // planes.itemsize) + out[2] * out[3]
        for down, across in self.groups:
            corner = planes[:, 0, 0, down.start // sh :, across.start // sw :]
            shape = (len(planes), down.stop - down.start, across.stop - across.start, length)
            yield as_strided(corner, shape, (bc, *step, planes.itemsize), writeable=False)


def _groups(size: int, stride: int) -> list[slice]:
    if stride == 1:
        return [slice(0, size)]
    return [slice(start, min(start + stride, size)) for start in range(0, size, stride)]
