"""Every path of a convolution, forced in turn on random shapes, against the sum over taps in float64."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from convserve_model.calls import done, make
from convserve_model.kernels.convolution import Convolution
from convserve_model.kernels.costs import Shapes, candidates, cheapest, rows_of_strip
from convserve_model.kernels.paths import Path
from convserve_model.kernels.paths.dense import Dense
from convserve_model.kernels.paths.depthwise import Depthwise
from convserve_model.kernels.paths.filtered import Filtered
from convserve_model.kernels.paths.im2col import Im2col
from convserve_model.kernels.paths.rowwise import RowWise
from convserve_model.kernels.paths.runs import Runs
from convserve_model.kernels.paths.taps import Taps
from convserve_model.kernels.paths.winograd import Winograd
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Run
from convserve_model.workspace import Spaces, WorkSpace
from tests.model.sketch import Array

TOLERANCE = 2e-6
PATHS = {Im2col, Runs, Taps, RowWise, Winograd, Filtered, Depthwise, Dense}


def drawn(seed: int) -> Shapes:
    """Random shapes, with everything that PyTorch's Conv2d knows; every third is 3x3 with stride 1."""
    draw = np.random.default_rng(seed)

    def pair(low: int, high: int) -> tuple[int, int]:
        return int(draw.integers(low, high + 1)), int(draw.integers(low, high + 1))

    size, stride, dilation, padding = pair(1, 5), pair(1, 3), pair(1, 2), pair(0, 3)
    if seed % 3 == 0:
        size, stride, dilation, padding = (3, 3), (1, 1), (1, 1), pair(0, 2)
    groups = int(draw.choice([1, 1, 2, 4]))
    cin, cout = (groups * count for count in pair(1, 9))
    if seed % 5 == 0:
        groups = cin = cout = int(draw.integers(2, 12))
        dilation = (1, dilation[1])
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, size, strict=True)]
    h, w = (int(draw.integers(least, least + 14)) for least in extent)
    return Shapes(Window(size, stride, padding, dilation), groups, cin, cout, (h, w), int(draw.integers(1, 20)))


def reference(shapes: Shapes, x: Array, weight: Array, bias: Array, dy: Array) -> list[Array]:
    """y, dL/dx, dL/dweight and dL/dbias in float64, tap by tap."""
    window, g = shapes.window, shapes.groups
    x, weight, bias, dy = (array.astype(np.float64) for array in (x, weight, bias, dy))
    padded = done(window.pad(x, WorkSpace()))
    dpadded, dweight = np.zeros_like(padded), np.zeros_like(weight)
    y = np.zeros_like(dy) + bias[:, None, None, None]
    ins, outs = shapes.cin // g, shapes.cout // g
    for i, j in product(*map(range, window.size)):
        seen, given = (window.tap(array, i, j, range(shapes.output[0])) for array in (padded, dpadded))
        for k in range(g):
            inputs, outputs = slice(k * ins, (k + 1) * ins), slice(k * outs, (k + 1) * outs)
            tap = weight[outputs, :, i, j]
            y[outputs] += np.einsum("oc,chwn->ohwn", tap, seen[inputs])
            given[inputs] += np.einsum("oc,ohwn->chwn", tap, dy[outputs])
            dweight[outputs, :, i, j] = np.einsum("ohwn,chwn->oc", dy[outputs], seen[inputs])
    return [y, window.crop(dpadded), dweight, dy.sum(axis=(1, 2, 3))]


def computed(kernel: Convolution, x: Array, weight: Array, bias: Array, dy: Array) -> list[Array]:
    w, calls, backward = kernel.pack({"weight": weight, "bias": bias}, need=True, moves=True)
    make([*calls, *backward])
    y, calls, adjoint = kernel.plan(w, x, run=Run((True,), True, np.random.default_rng, np.empty, Spaces(), Spaces()))
    make(calls)
    (dx,), calls, dparams, _ = adjoint(dy)
    make(calls)
    assert dx is not None
    return [y, dx, dparams["weight"], dparams["bias"]]


def forced(shapes: Shapes) -> list[Convolution]:
    """The chosen convolution, with each path in each place, with columns shared or not, and col2im."""
    chosen = Convolution.chosen(shapes)
    kernels = [chosen, *(replace(chosen, path=path) for path in candidates(shapes))]
    alone = replace(chosen, input_path=None, shares=False)
    kernels += [replace(alone, weight_path=path) for path in candidates(shapes, weight=True)]
    gradient = Convolution.gradient_shapes(shapes)
    if gradient is not None:
        kernels += [replace(alone, input_path=path) for path in candidates(gradient)]
        kernels += [replace(alone, input_path=path, shares=True) for path in candidates(gradient, weight=True)]
    return kernels


@pytest.mark.parametrize("seed", range(60))
def test_every_path_is_near_the_reference(seed: int) -> None:
    """Output and all gradients within 2e-6, whatever the window, stride, padding, dilation and groups."""
    shapes = drawn(seed)
    draw = np.random.default_rng((seed, 1))
    x, weight, bias, dy = (
        draw.standard_normal(shape, dtype=np.float32)
        for shape in (
            (shapes.cin, *shapes.size, shapes.n),
            (shapes.cout, shapes.cin // shapes.groups, *shapes.window.size),
            (shapes.cout,),
            (shapes.cout, *shapes.output, shapes.n),
        )
    )
    expected = reference(shapes, x, weight, bias, dy)
    for kernel in forced(shapes):
        for got, wanted in zip(computed(kernel, x, weight, bias, dy), expected, strict=True):
            assert got.dtype == np.float32
            assert np.abs(got - wanted).max() <= TOLERANCE * np.abs(wanted).max(), (kernel, shapes)


@pytest.mark.parametrize("channels", [64, 128, 256])
def test_many_channels_stay_within_the_tolerance(channels: int) -> None:
    """Winograd's error grows with the channels: the candidates at the limits of their tiles."""
    shapes = Shapes(Window((3, 3), (1, 1), (1, 1)), 1, channels, 32, (8, 8), 16)
    draw = np.random.default_rng(channels)
    x = np.maximum(draw.standard_normal((channels, 8, 8, 16), dtype=np.float32), 0)
    weight, dy = (draw.standard_normal(s, dtype=np.float32) for s in ((32, channels, 3, 3), (32, 8, 8, 16)))
    bias = np.zeros(32, np.float32)
    expected = reference(shapes, x, weight, bias, dy)
    for kernel in forced(shapes):
        for got, wanted in zip(computed(kernel, x, weight, bias, dy), expected, strict=True):
            assert np.abs(got - wanted).max() <= TOLERANCE * np.abs(wanted).max(), kernel


def test_the_random_shapes_meet_every_path() -> None:
    """What is forced above is everything that there is."""
    found = {type(path) for seed in range(60) for path in candidates(drawn(seed))}
    assert found == PATHS


CHEAPEST: dict[str, tuple[Shapes, type[Path]]] = {
    "many channels, 3x3": (Shapes(Window((3, 3), (1, 1), (1, 1)), 1, 64, 64, (32, 32), 16), Winograd),
    "fewer channels, 3x3": (Shapes(Window((3, 3), (1, 1), (1, 1)), 1, 32, 32, (16, 16), 16), Filtered),
    "few channels, 3x3": (Shapes(Window((3, 3), (1, 1), (1, 1)), 1, 16, 16, (32, 32), 8), RowWise),
    "1x1": (Shapes(Window((1, 1), (1, 1), (0, 0)), 1, 64, 128, (16, 16), 16), Im2col),
    "depthwise": (Shapes(Window((3, 3), (1, 1), (1, 1)), 64, 64, 64, (16, 16), 16), Taps),
    "depthwise with a stride": (Shapes(Window((3, 3), (2, 2), (1, 1)), 64, 64, 64, (16, 16), 16), Depthwise),
    "depthwise, one image": (Shapes(Window((3, 3), (1, 1), (1, 1)), 64, 64, 64, (16, 16), 1), Runs),
    "a small image": (Shapes(Window((3, 3), (1, 1), (1, 1)), 1, 1, 2, (4, 4), 64), Dense),
}  # fmt: skip


@pytest.mark.parametrize(("shapes", "path"), CHEAPEST.values(), ids=CHEAPEST)
def test_the_model_chooses_by_shapes(shapes: Shapes, path: type[Path]) -> None:
    assert isinstance(cheapest(shapes)[0], path)


@pytest.mark.parametrize("seed", range(30))
def test_strips_are_whole_tiles(seed: int) -> None:
    """At least one row, and of Winograd's tiles whole ones."""
    shapes = drawn(seed)
    for path in candidates(shapes):
        rows = rows_of_strip(path, shapes.groups, shapes.cin, shapes.cout, *shapes.output, shapes.n)
        assert rows >= 1
        assert not isinstance(path, Winograd) or rows % path.tile[0] == 0
