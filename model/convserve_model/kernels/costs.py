"""Which path a convolution takes: the cheapest by a model of shapes alone, so that bits never depend on timing.

The model counts multiplications, copied elements and calls. Its constants are nanoseconds on one core, rounded from
two CPUs with AVX-512 whose ratios differ by a factor of two; one with AVX2 takes three times as long for products and
twice for copies, and what the model chooses there is a few percent from the best of all. `make bench-engine` shows what
comes out.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import prod
from typing import Any

from convserve_model.kernels.paths import Path, Turning
from convserve_model.kernels.paths.dense import Dense
from convserve_model.kernels.paths.depthwise import BLOCK, Depthwise
from convserve_model.kernels.paths.filtered import INPUTS, OUTPUTS, Filtered
from convserve_model.kernels.paths.im2col import Im2col
from convserve_model.kernels.paths.rowwise import RowWise
from convserve_model.kernels.paths.runs import Runs
from convserve_model.kernels.paths.shifts import Shifts
from convserve_model.kernels.paths.taps import Taps
from convserve_model.kernels.paths.winograd import TAPS, Winograd
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Pair, Shape
from convserve_model.values import dataclass

FLOP = 0.009  # of a large matrix product
FEW_ROWS = 8  # a product with so many rows takes twice as long for each flop
ELEMENT, RUN = 0.1, 6.0  # of a copy: each element, and each contiguous run of them
APART = 8  # what a long run of elements that lie apart is like
WEIGHT = 0.3  # of each weight, each time that a product reads it
TRANSFORMED, TURNED = 0.7, 1.3  # of each of Winograd's weights: made once a step and read; and its gradient's way back
TURN = 0.5  # of each weight that is brought from its place to that of the input's gradient, or back
PRODUCT = 150.0  # of each small product in a stack
TAP, SUMMED = 40.0, 0.07  # of np.einsum for each run of a tap, and for each of its elements
CALL = 1500.0  # of each NumPy call
STRIP = 640 * 1024  # elements of a strip's work space: about a core's share of the cache
FEW_IMAGES = 32  # a smaller microbatch may be alone, and its strips go to several threads
PARTS = 2  # of it at most, for each reads all weights
BACK_PARTS = 4  # in backward, where there are several images: threads take them as they come from other work
LATER = 11 << 17  # elements of work space for that
BESIDE = 40e3  # the least nanoseconds of a weight's gradient that another thread makes beside what follows
PART, PART_POSITIONS = 80e3, 32  # the least nanoseconds and positions of a part
DENSE = 1 << 16  # the most elements of a dense matrix
MOST_CHANNELS = {(4, 4): 64, (4, 2): 256, (2, 2): 1 << 30}  # of Winograd's tiles: the error stays below 2e-6


@dataclass(frozen=True)
class Shapes:
    """A convolution of n images [Cin,h,w] by `window` in `groups`, giving [Cout,ho,wo]."""

    window: Window
    groups: int
    cin: int
    cout: int
    size: Pair
    n: int

    @property
    def output(self) -> Pair:
        return self.window.output(*self.size)

    @property
    def inputs(self) -> int:
        return self.cin * prod(self.size) * self.n

    @property
    def positions(self) -> int:
        return prod(self.output) * self.n

    @property
    def columns(self) -> int:
        """Elements of all positions' windows."""
        return self.cin * prod(self.window.size) * self.positions

    @property
    def weights(self) -> int:
        return self.cin // self.groups * self.cout * prod(self.window.size)

    @property
    def run(self) -> int:
        """Elements that one tap sees side by side; those of one image are one run, though they lie apart."""
        if self.window.stride[1] == 1:
            return self.output[1] * self.n
        return min(_apart(self.n), self.output[1] * self.n)


@lru_cache(maxsize=4096)
def cheapest(shapes: Shapes, *, weight: bool = False) -> tuple[Path, float]:
    """The path for the output, or for the weight's gradient, and what the model says that it takes."""
    priced = [(path, cost(path, shapes, weight=weight)) for path in candidates(shapes, weight=weight)]
    return min(priced, key=lambda pair: pair[1])


@lru_cache(maxsize=4096)
def cheapest_turned(gradient: Shapes) -> tuple[Path, float]:
    """The path for the input's gradient: the output of these shapes, with the weights turned."""
    priced = [(path, cost(path, gradient) + turning(path, gradient)) for path in candidates(gradient)]
    return min(priced, key=lambda pair: pair[1])


def candidates(shapes: Shapes, *, weight: bool = False) -> Iterator[Path]:
    """Every path that can compute this within the tolerance."""
    window = shapes.window
    yield Im2col(window, shapes.groups)
    single = shapes.groups == shapes.cin == shapes.cout
    if not weight and all(1 in pair for pair in zip(window.stride, window.dilation, strict=True)):
        if window.size != (1, 1):
            yield Runs(window, shapes.groups)
        if single and shapes.n > 1:  # for one image np.einsum takes the taps first, and short runs of them
            yield Taps(window)
    if _dense_size(shapes) <= DENSE:
        yield Dense(window, shapes.groups, shapes.size)
    if window.dilation[0] > 1:
        return
    if shapes.groups == 1:
        yield RowWise(window)
    elif single:
        yield Depthwise(window, shapes.output[1])
    if shapes.groups == 1 and window.size == (TAPS, TAPS) and window.stride == window.dilation == (1, 1):
        for tile, most in MOST_CHANNELS.items():
            if shapes.cin <= most and not (weight and tile == (4, 4)):
                yield Winograd(window, tile)
        if not weight:
            yield Filtered(window)


@lru_cache(maxsize=4096)
def cheapest_shared(gradient: Shapes) -> tuple[Path, float]:
    """The path for the input's gradient (the output of these shapes) and the weight's from the same columns."""
    priced = [(path, shared_cost(path, gradient)) for path in candidates(gradient, weight=True)]
    return min(priced, key=lambda pair: pair[1])


def shared_cost(path: Path, gradient: Shapes) -> float:
    """Of both products with columns that are made once."""
    once = OPERANDS[type(path)](path, gradient) if type(path) in OPERANDS else 0.0
    turned = turning(path, gradient) + TURN * gradient.weights
    return cost(path, gradient) + cost(path, gradient, weight=True) - once + turned


def turning(path: Path, gradient: Shapes) -> float:
    """Of turning the weights by half a turn, where the path's transforms do not do it."""
    return 0.0 if isinstance(path, Turning) else TURN * gradient.weights


def cost(path: Path, shapes: Shapes, *, weight: bool = False) -> float:
    """Nanoseconds, about."""
    return COSTS[type(path)](path, shapes, weight)


def takes_long(weights: int, positions: int) -> bool:
    """Whether the gradient of so many weights is worth another thread, beside what follows."""
    return weights * (2 * positions * FLOP + WEIGHT) > BESIDE


def worth_deferring(path: Path, cin: int, shape: Shape, weights: int, parts: int) -> bool:
    """The same of a convolution with an output of this shape in so many strips, and whether work space for all of them
    is little."""
    cout, ho, wo, n = shape
    space = ho * SPACES[type(path)](path, cin, cout, wo, n)[0] + parts * weights
    return takes_long(weights, ho * wo * n) and parts <= BACK_PARTS and space <= LATER


def col2im_cost(shapes: Shapes) -> float:
    """Of the input's gradient by the adjoint of im2col: the product, and every column added to its place."""
    return _product(shapes.cin * prod(shapes.window.size), shapes) + _copy(2 * shapes.columns, shapes.run) + 12 * CALL


def rows_of_strip(path: Path, groups: int, cin: int, cout: int, ho: int, wo: int, n: int, *, back: bool = False) -> int:
    """Output rows of a strip, a function of shapes alone."""
    space, multiple = SPACES[type(path)](path, cin, cout, wo, n)
    rows = ho if not space else STRIP // space
    if n < FEW_IMAGES and space:
        positions, most = ho * wo * n, BACK_PARTS if back and n > PARTS else PARTS
        price = cost(path, Shapes(path.window, groups, cin, cout, path.window.input(ho, wo), n))
        rows = min(rows, -(-ho // max(1, min(most, int(price / PART), positions // PART_POSITIONS))))
    return max(multiple, rows // multiple * multiple)


def channels_of_part(groups: int, c: int, weights: int, positions: int, n: int) -> int:
    """Channels of an input's gradient that col2im makes at once."""
    parts = min(PARTS, int(2 * weights * positions * FLOP / PART)) if n < FEW_IMAGES and groups == 1 else 1
    return -(-c // max(1, parts))


def _product(rows: int, shapes: Shapes) -> float:
    """Of a matrix product with so many rows over all positions and weights."""
    flops = 2 * shapes.weights * shapes.positions
    return flops * FLOP * (1 + FEW_ROWS * shapes.groups / rows) + WEIGHT * shapes.weights


def _apart(n: int) -> int:
    """The run of n images' pixels that lie apart: those of one image are one run of single elements."""
    return n if n > 1 else APART


def _copy(elements: float, run: float) -> float:
    return elements * (ELEMENT + min(RUN / run, APART))


def _im2col_operand(path: Im2col, shapes: Shapes) -> float:
    free = shapes.window.size == shapes.window.stride == (1, 1)
    return 3 * CALL if free else _copy(shapes.columns, shapes.run) + 7 * CALL


def _im2col(path: Im2col, shapes: Shapes, weight: bool) -> float:
    rows = shapes.cin * prod(shapes.window.size) if weight else shapes.cout
    return _im2col_operand(path, shapes) + _product(rows, shapes) + CALL + shapes.groups * PRODUCT


def _rowwise_operand(path: RowWise, shapes: Shapes) -> float:
    (kh, kw), taken = shapes.window.size, shapes.window.stride[0]
    return _copy(shapes.cin * kw * shapes.positions * min(kh, taken), shapes.run) + (6 + kw) * CALL


def _runs(path: Runs, shapes: Shapes, weight: bool) -> float:
    groups, planes, wide, run = _shifted(shapes)
    columns, outputs = shapes.cin * prod(shapes.window.size) * run, shapes.cout * run
    copied = planes + _copy(columns, run) + _copy(outputs, shapes.run)
    return copied + _product(shapes.cout, shapes) * wide + (6 + groups) * CALL + shapes.groups * PRODUCT


def _taps(path: Taps, shapes: Shapes, weight: bool) -> float:
    groups, planes, _, run = _shifted(shapes)
    taps, outputs = shapes.cin * prod(shapes.window.size), shapes.cout * run
    sums = taps * (TAP + run * SUMMED) + (groups - 1) * _copy(outputs, run)
    return planes + sums + _copy(outputs, shapes.run) + (5 + 3 * groups) * CALL


def _shifted(shapes: Shapes) -> tuple[int, float, float, int]:
    """Groups of taps, copying the planes, how much wider their rows are than the output's, and elements of a run."""
    shifts, (ho, wo) = Shifts(shapes.window), shapes.output
    _, width = shifts.extents(ho, wo)
    strided = shapes.window.stride != (1, 1)
    planes = _copy(shapes.inputs, _apart(shapes.n)) + prod(shapes.window.stride) * CALL if strided else 0.0
    return len(shifts.groups), planes, width / wo, ho * width * shapes.n


def _rowwise(path: RowWise, shapes: Shapes, weight: bool) -> float:
    outputs = shapes.cout * shapes.positions
    turned = outputs * 1.0 if weight else _copy(outputs, shapes.run)
    products = shapes.output[0] * (PRODUCT + WEIGHT * shapes.weights)
    multiplied = _product(shapes.cin * prod(shapes.window.size) if weight else shapes.cout, shapes)
    return _rowwise_operand(path, shapes) + turned + multiplied + products + 4 * CALL


def _winograd_operand(path: Winograd, shapes: Shapes) -> float:
    points = prod(path.inputs)
    elements = points * shapes.cin * _tiles(path, shapes)
    return elements * 2 * points * FLOP * 1.5 + _copy(elements, _apart(shapes.n)) + (points + 6) * CALL


def _winograd(path: Winograd, shapes: Shapes, weight: bool) -> float:
    outputs, points = shapes.cout * _tiles(path, shapes), prod(path.inputs)
    results = prod(path.tile) * outputs
    rows = min(shapes.cin, shapes.cout) if weight else shapes.cout
    products = 2 * points * shapes.cin * outputs * FLOP * (1 + FEW_ROWS / rows)
    weights = points * shapes.cin * shapes.cout * (TURNED if weight else TRANSFORMED)
    transform = results * 2 * points * FLOP * 1.5 + _copy(results, _apart(shapes.n)) + (prod(path.tile) + 6) * CALL
    return _winograd_operand(path, shapes) + products + weights + transform


def _tiles(path: Winograd, shapes: Shapes) -> int:
    (mh, mw), (ho, wo) = path.tile, shapes.output
    return -(-ho // mh) * -(-wo // mw) * shapes.n


def _filtered(path: Filtered, shapes: Shapes, weight: bool) -> float:
    ho, wo = shapes.output
    columns = -(-wo // OUTPUTS) * shapes.n
    inputs, results = INPUTS * shapes.cin * ho * columns, OUTPUTS * shapes.cout * ho * columns
    products = 2 * TAPS * inputs * shapes.cout * FLOP * (1 + FEW_ROWS / shapes.cout + FEW_ROWS / columns)
    transforms = (inputs + results) * 2 * INPUTS * FLOP * 3 + _copy(inputs + results, _apart(shapes.n))
    weights = INPUTS * TAPS * shapes.cin * shapes.cout * TRANSFORMED
    return products + INPUTS * ho * PRODUCT + transforms + weights + (INPUTS + OUTPUTS + 4) * CALL


def _depthwise(path: Depthwise, shapes: Shapes, weight: bool) -> float:
    outputs, taps = shapes.cout * shapes.positions, prod(shapes.window.size)
    ho, wo = shapes.output
    blocks, (block, width) = -(-wo // BLOCK), path.block
    products = shapes.cout * (taps if weight else ho * blocks) * PRODUCT
    if weight and shapes.window.stride != (1, 1):
        return _copy(outputs * taps, shapes.n) + outputs * taps * 0.08 + products + taps * 3 * CALL
    if weight:
        return outputs * taps * 0.1 + products + (8 + blocks) * CALL
    banded = 2 * shapes.window.size[0] * width * FLOP * (1 + FEW_ROWS / block)
    laid = shapes.cin * shapes.size[0] * blocks * width * shapes.n
    copied = _copy(shapes.inputs, shapes.size[1] * shapes.n) + _copy(laid, width * shapes.n)
    return outputs * banded + copied + products + (8 + blocks) * CALL


def _dense(path: Dense, shapes: Shapes, weight: bool) -> float:
    size = _dense_size(shapes)
    return size * (2 * shapes.n * FLOP * 1.3 + WEIGHT) + shapes.groups * PRODUCT + 3 * CALL


def _dense_size(shapes: Shapes) -> int:
    return shapes.cout * prod(shapes.output) * shapes.cin // shapes.groups * prod(shapes.size)


COSTS: dict[type[Any], Callable[[Any, Shapes, bool], float]] = {
    Im2col: _im2col,
    Runs: _runs,
    Taps: _taps,
    RowWise: _rowwise,
    Winograd: _winograd,
    Filtered: _filtered,
    Depthwise: _depthwise,
    Dense: _dense,
}

# Of what `Path.operand` makes, where that is more than a view.
OPERANDS: dict[type[Any], Callable[[Any, Shapes], float]] = {
    Im2col: _im2col_operand,
    RowWise: _rowwise_operand,
    Winograd: _winograd_operand,
}

# Elements of work space for each output row, and the multiple that rows should be of.
SPACES: dict[type[Any], Callable[[Any, int, int, int, int], tuple[int, int]]] = {
    Im2col: lambda path, cin, cout, wo, n: ((cin * prod(path.window.size) + cout) * wo * n, 1),
    Runs: lambda path, cin, cout, wo, n: ((cin * prod(path.window.size) + 2 * cout) * wo * n, 1),
    Taps: lambda path, cin, cout, wo, n: (4 * cin * wo * n, 1),
    RowWise: lambda path, cin, cout, wo, n: ((cin * path.window.size[1] + 2 * cout) * wo * n, 1),
    Winograd: lambda path, cin, cout, wo, n: (
        prod(path.inputs) // path.tile[0] * -(-wo // path.tile[1]) * n * (2 * cin + cout),
        path.tile[0],
    ),
    Filtered: lambda path, cin, cout, wo, n: (
        (2 * INPUTS * cin + (INPUTS + OUTPUTS) * cout) * -(-wo // OUTPUTS) * n,
        1,
    ),
    Depthwise: lambda path, cin, cout, wo, n: (4 * cin * wo * n, 1),
    Dense: lambda path, cin, cout, wo, n: (0, 1 << 30),
}
