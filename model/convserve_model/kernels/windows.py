"""Sliding windows over an image: sizes, a strided view of all of them (im2col without a copy), and the adjoint."""

from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convserve_model.protocols import Array, Call, Pair, Plan
from convserve_model.remembered import remembered
from convserve_model.values import dataclass
from convserve_model.workspace import Spans, WorkSpace

Slices = tuple[slice, ...]


def inside(extent: int, first: int, apart: int, count: int) -> tuple[slice, slice]:
    """Of `count` places from `first` on: those inside an image of this extent, and what of the image they are."""
    stop = max(0, min(count, -((first - extent) // apart)))
    start = min(max(0, -(first // apart)), stop)
    return slice(start, stop), slice(first + start * apart, first + stop * apart, apart)


@dataclass(frozen=True)
class Window:
    """A kernel's geometry; every field is (vertical, horizontal), with PyTorch's meaning."""

    size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair = (1, 1)

    def output(self, h: int, w: int) -> Pair:
        """(ho, wo); zero or less where the window does not fit."""
        ho, wo = (
            (extent + 2 * pad - dilation * (size - 1) - 1) // stride + 1
            for extent, pad, dilation, size, stride in zip(
                (h, w), self.padding, self.dilation, self.size, self.stride, strict=True
            )
        )
        return ho, wo

    def input(self, ho: int, wo: int) -> Pair:
        """The least (h, w) whose output is (ho, wo)."""
        h, w = (extent - 2 * pad for extent, pad in zip(self.span(ho, wo), self.padding, strict=True))
        return h, w

    def adjoint(self) -> "Window | None":
        """The window that goes over an output's gradient, spaced by the stride, to give the input's; None where the
        padding is wider than the window reaches."""
        reach = [dilation * (size - 1) for dilation, size in zip(self.dilation, self.size, strict=True)]
        padding = [far - pad for far, pad in zip(reach, self.padding, strict=True)]
        if min(padding) < 0:
            return None
        return Window(self.size, (1, 1), (padding[0], padding[1]), self.dilation)

    def span(self, rows: int, columns: int) -> Pair:
        """Height and width of what so many output rows and columns see."""
        h, w = (
            stride * (count - 1) + dilation * (size - 1) + 1
            for count, stride, dilation, size in zip(
                (rows, columns), self.stride, self.dilation, self.size, strict=True
            )
        )
        return h, w

    def strip(self, x: Array, rows: range, space: WorkSpace, whole: Pair = (1, 1)) -> Plan:
        """What output rows `rows`, all columns, see of x [C,H,W,N]: [C,h,w,N], with zeros beyond the borders.

        Rows and columns are rounded up to multiples of `whole`. A view where nothing is to be added.
        """
        c, h, w, n = x.shape
        (height, width), seen, inner = self._seen(h, w, rows, whole)
        if inner is None:
            return x[seen], []
        (top, bottom), (left, right) = inner
        strip = space.bordered((c, height, width, n), x.dtype, inner, 0.0)
        return strip, [partial(np.copyto, strip[:, top:bottom, left:right], x[seen])]

    @remembered
    def _seen(self, h: int, w: int, rows: range, whole: Pair) -> "tuple[Pair, Slices, Spans | None]":
        """(height and width of a strip, what of the image is in it, where; None where that is all of it)."""
        counts = zip((len(rows), self.output(h, w)[1]), whole, strict=True)
        height, width = self.span(*(-(-count // multiple) * multiple for count, multiple in counts))
        top, left = rows.start * self.stride[0] - self.padding[0], self.padding[1]
        start, right = max(top, 0), max(0, min(w, width - left))
        stop = max(start, min(top + height, h))
        seen = (slice(None), slice(start, stop), slice(right))
        if left == 0 and stop - start == height and width <= w:
            return (height, width), seen, None
        return (height, width), seen, ((start - top, stop - top), (left, left + right))

    def pad(self, x: Array, space: WorkSpace, fill: float = 0.0) -> Plan:
        """[C,H,W,N] -> [C,H+2ph,W+2pw,N]; x itself where nothing is to be padded."""
        ph, pw = self.padding
        if ph == pw == 0:
            return x, []
        c, h, w, n = x.shape
        padded = space.bordered((c, h + 2 * ph, w + 2 * pw, n), x.dtype, ((ph, ph + h), (pw, pw + w)), fill)
        return padded, [partial(np.copyto, self.crop(padded), x)]

    def crop(self, padded: Array) -> Array:
        """The inverse of `pad`: a view without the border."""
        ph, pw = self.padding
        return padded[:, ph : padded.shape[1] - ph, pw : padded.shape[2] - pw]

    def view(self, padded: Array) -> Array:
        """[C,Hp,Wp,N] -> [C,kh,kw,ho,wo,N]: every window, as a read-only view."""
        (kh, kw), (sh, sw), (dh, dw) = self.size, self.stride, self.dilation
        c, hp, wp, n = padded.shape
        ho, wo = (hp - dh * (kh - 1) - 1) // sh + 1, (wp - dw * (kw - 1) - 1) // sw + 1
        bc, bh, bw, bn = padded.strides
        strides = (bc, bh * dh, bw * dw, bh * sh, bw * sw, bn)
        return as_strided(padded, (c, kh, kw, ho, wo, n), strides, writeable=False)

    def tap(self, padded: Array, i: int, j: int, rows: range) -> Array:
        """[C,len(rows),wo,N]: what output rows `rows` see through position (i, j) of the window, as a view."""
        (_, kw), (sh, sw), (dh, dw) = self.size, self.stride, self.dilation
        wo = (padded.shape[2] - dw * (kw - 1) - 1) // sw + 1
        top, left = i * dh + rows.start * sh, j * dw
        return padded[:, top : top + sh * (len(rows) - 1) + 1 : sh, left : left + sw * (wo - 1) + 1 : sw]

    def taps(self, padded: Array, rows: range) -> list[Array]:
        """`tap` for every position of the window, row by row."""
        return [self.tap(padded, i, j, rows) for i in range(self.size[0]) for j in range(self.size[1])]

    def scatter(self, cols: Array, padded: Array, rows: range) -> list[Call]:
        """Calls that add cols [C,kh,kw,len(rows),wo,N] to where `view` read them (col2im)."""
        columns = cols.reshape(len(cols), -1, *cols.shape[3:], copy=False).swapaxes(0, 1)
        return [partial(np.add, tap, column, tap) for tap, column in zip(self.taps(padded, rows), columns, strict=True)]
