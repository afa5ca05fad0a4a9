"""What layers ask of their input shapes."""

from convserve_model.errors import ShapeError
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Pair, Shape


def image(shapes: tuple[Shape, ...]) -> tuple[int, int, int]:
    """The one input's [C,H,W]."""
    shape = single(shapes)
    if len(shape) != 3:
        raise ShapeError("an image of shape [channels, height, width]")
    return shape[0], shape[1], shape[2]


def single(shapes: tuple[Shape, ...]) -> Shape:
    """The one input's shape."""
    if len(shapes) != 1:
        raise ShapeError("exactly one input")
    return shapes[0]


def slide(window: Window, h: int, w: int) -> Pair:
    """The output's (ho, wo)."""
    ho, wo = window.output(h, w)
    if ho < 1 or wo < 1:
        extents = zip(window.dilation, window.size, window.padding, strict=True)
        least = [max(1, d * (k - 1) + 1 - 2 * p) for d, k, p in extents]
        raise ShapeError(f"a height of at least {least[0]} and a width of at least {least[1]} for its window")
    return ho, wo
