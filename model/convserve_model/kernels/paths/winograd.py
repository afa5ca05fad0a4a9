"""Convolution with a 3x3 window and stride 1 by Winograd's minimal filtering: fewer multiplications per output.

A tile of mh x mw outputs is Y = A^T [(G g G^T) * (B^T d B)] A with (mh+2)(mw+2) products instead of 9 mh mw. Over all
tiles of a strip each transform is one matrix product with a Kronecker product, and the rest one product per point.
Source: Lavin and Gray, "Fast algorithms for convolutional neural networks" (2016); the matrices are Cook's and Toom's,
with the points 0, ±3/4, ±5/4 and infinity, which lose less to rounding than 0, ±1, ±2: Barabasz, Anderson, Soodhalter
and Gregg, "Error analysis and improving the accuracy of Winograd convolution for deep neural networks" (2020).
"""

from fractions import Fraction
from functools import cache, cached_property, partial
from math import prod
from typing import Any

import numpy as np

from convserve_model.kernels.parameters import Parameter
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Call, Empty, Pair, Plan
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace

TAPS = 3
POINTS = {2: ("0", "1", "-1"), 4: ("0", "3/4", "-3/4", "5/4", "-5/4")}  # by outputs of a tile's side


@dataclass(frozen=True)
class Winograd:
    """For 3x3 windows with stride and dilation 1 and without groups; `tile` is (mh, mw), each a key of POINTS."""

    window: Window
    tile: Pair

    @property
    def inputs(self) -> Pair:
        """Height and width of what a tile sees, and of its points."""
        mh, mw = self.tile
        return mh + TAPS - 1, mw + TAPS - 1

    def pack(self, weight: Parameter) -> Plan:
        """[Cout,C,3,3] -> U [points,Cout,C]."""
        return self._packed(transforms(self.tile, weight.dtype).weight, weight)

    def pack_turned(self, weight: Parameter) -> Plan:
        """U [points,C,Cout] of the weights turned by half a turn: transforms turned the other way do it."""
        packed, calls = self._packed(transforms(self.tile, weight.dtype).turned, weight)
        return packed.transpose(0, 2, 1), calls

    def _packed(self, transform: Array, weight: Parameter) -> Plan:
        packed = np.empty((len(transform), prod(weight.shape[:2])), weight.dtype)

        def pack() -> None:
            np.matmul(transform, weight.now().reshape(-1, TAPS * TAPS, copy=False).T, packed)

        return packed.reshape(-1, *weight.shape[:2]), [pack]

    def strip(self, x: Array, rows: range, space: WorkSpace) -> Plan:
        """What these output rows see of x [C,H,W,N]."""
        return self.window.strip(x, rows, space, whole=self.tile)

    def operand(self, strip: Array, space: WorkSpace) -> Plan:
        """V [C,points,tiles*N]: the tiles' inputs, transformed."""
        seen = Window(self.inputs, self.tile, (0, 0)).view(strip)
        points = space.empty((len(strip), prod(self.inputs), seen[0, 0, 0].size), strip.dtype)
        start = space.used
        tiles = space.empty(seen.shape, strip.dtype)
        space.used = start  # nobody reads the tiles after this
        transform = transforms(self.tile, strip.dtype).input
        return points, [
            partial(np.copyto, tiles, seen),
            partial(np.matmul, transform, tiles.reshape(points.shape), points),
        ]

    def correlate(self, packed: Array, operand: Array, out: Array, space: WorkSpace) -> list[Call]:
        """V -> out [Cout,rows,wo,N]."""
        products = space.empty((len(out), *operand.shape[1:]), out.dtype)
        tiles = space.empty((len(out), prod(self.tile), operand.shape[2]), out.dtype)
        return [
            partial(np.matmul, packed, operand.transpose(1, 0, 2), products.transpose(1, 0, 2)),
            partial(np.matmul, transforms(self.tile, out.dtype).output, products, tiles),
            *(partial(np.copyto, target, tile) for target, tile in self._placed(out, tiles)),
        ]

    def weight_gradient(self, operand: Array, dout: Array, space: WorkSpace, empty: Empty) -> Plan:
        """dU [points,C,Cout]."""
        (c, points, tiles), cout = operand.shape, len(dout)
        gradient = empty((points, c, cout), dout.dtype)
        dproducts = space.empty((cout, points, tiles), dout.dtype)
        dtiles = space.empty((cout, prod(self.tile), tiles), dout.dtype)
        adjoint = transforms(self.tile, dout.dtype).output.T
        return gradient, [
            *([partial(dtiles.fill, 0)] if dtiles.size > dout.size else []),
            *(partial(np.copyto, tile, source) for source, tile in self._placed(dout, dtiles)),
            partial(np.matmul, adjoint, dtiles, dproducts),
            partial(np.matmul, operand.transpose(1, 0, 2), dproducts.transpose(1, 2, 0), gradient),
        ]

    def unpack(self, total: Array, shape: tuple[int, ...]) -> Array:
        """The sum of `weight_gradient` over strips as dL/dweight of `shape`."""
        g = transforms(self.tile, total.dtype).weight
        cout, c = shape[:2]
        return (g.T @ total.reshape(len(total), -1)).reshape(-1, c, cout).transpose(2, 1, 0).reshape(shape)

    def _placed(self, out: Array, tiles: Array) -> list[tuple[Array, Array]]:
        """Of an output and its tiles [Cout,mh*mw,tiles*N]."""
        (mh, mw), (cout, rows, wo, n) = self.tile, out.shape
        return placed(out, tiles.reshape(cout, mh, mw, -(-rows // mh), -(-wo // mw), n))


def placed(out: Array, tiles: Array) -> list[tuple[Array, Array]]:
    """Views of out [Cout,rows,wo,N] and of tiles [Cout,mh,mw,down,across,N] that hold the same: one of all, where tiles
    fit."""
    cout, mh, mw, down, across, n = tiles.shape
    if tiles.size == out.size:
        fitting = out.reshape(cout, down, mh, across, mw, n, copy=False)
        return [(fitting.transpose(0, 2, 4, 1, 3, 5), tiles)]
    phases = [(out[:, i::mh, j::mw], tiles[:, i, j]) for i in range(mh) for j in range(mw)]
    return [(phase, tile[:, : phase.shape[1], : phase.shape[2]]) for phase, tile in phases]


@dataclass(frozen=True)
class Transforms:
    """Of one direction, or Kronecker products of both: [points,inputs], [points,taps] and [outputs,points]."""

    input: Array
    weight: Array
    output: Array

    @cached_property
    def turned(self) -> Array:
        """What gives the points of taps in reverse order."""
        return self.weight[:, ::-1].copy()


@cache
def transforms(tile: Pair, dtype: np.dtype[Any]) -> Transforms:
    pairs = zip(*(_cook_toom(m) for m in tile), strict=True)
    return Transforms(*(np.kron(vertical, horizontal).astype(dtype) for vertical, horizontal in pairs))


@cache
def along(m: int, dtype: np.dtype[Any]) -> Transforms:
    """For m outputs in one direction."""
    return Transforms(*(matrix.astype(dtype) for matrix in _cook_toom(m)))


def _cook_toom(m: int) -> tuple[Array, Array, Array]:
    """B^T [m+2,m+2], G [m+2,3], A^T [m,m+2] for m outputs: y = A^T [(G g) * (B^T d)]."""
    points = [Fraction(text) for text in POINTS[m]]
    others = [[q for q in points if q != p] for p in points]
    inputs = [[*_from_roots(roots), Fraction(0)] for roots in others] + [_from_roots(points)]
    scales = [prod((p - q for q in roots), start=Fraction(1)) for p, roots in zip(points, others, strict=True)]
    weights = [[p**k / scale for k in range(TAPS)] for p, scale in zip(points, scales, strict=True)]
    weights.append([Fraction(k == TAPS - 1) for k in range(TAPS)])
    outputs = [[*(p**i for p in points), Fraction(i == m - 1)] for i in range(m)]
    b, g, a = (np.array(rows, dtype=np.float64) for rows in (inputs, weights, outputs))
    return b, g, a


def _from_roots(roots: list[Fraction]) -> list[Fraction]:
    """Coefficients of the product of (x - root), lowest power first."""
    polynomial = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *polynomial], [-root * c for c in polynomial]
        polynomial = [a + b for a, b in zip(shifted, [*scaled, Fraction(0)], strict=True)]
    return polynomial
