"""Pooling layers."""

from convserve_model import ranges
from convserve_model.kernels import pooling
from convserve_model.kernels.windows import Window
from convserve_model.layers.shapes import image, slide
from convserve_model.protocols import Kernel, Pair, Shape, Spec
from convserve_model.values import dataclass


@dataclass(frozen=True)
class MaxPool2d:
    """PyTorch's MaxPool2d; the stride defaults to the kernel, padding is minus infinity."""

    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] | None = None
    padding: int | tuple[int, int] = 0
    dilation: int | tuple[int, int] = 1

    def __post_init__(self) -> None:
        _ = self.window

    @property
    def window(self) -> Window:
        dilation = ranges.pair("dilation", self.dilation, 1)
        return _window(self.kernel_size, self.stride, self.padding, dilation)

    def output(self, *shapes: Shape) -> Shape:
        c, h, w = image(shapes)
        return c, *slide(self.window, h, w)

    def weights(self, *shapes: Shape) -> dict[str, Spec]:
        return {}

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        return (pooling.MaxPool(self.window),)


@dataclass(frozen=True)
class AvgPool2d:
    """PyTorch's AvgPool2d; the stride defaults to the kernel, padding counts as zeros."""

    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] | None = None
    padding: int | tuple[int, int] = 0

    def __post_init__(self) -> None:
        _ = self.window

    @property
    def window(self) -> Window:
        return _window(self.kernel_size, self.stride, self.padding, (1, 1))

    def output(self, *shapes: Shape) -> Shape:
        c, h, w = image(shapes)
        return c, *slide(self.window, h, w)

    def weights(self, *shapes: Shape) -> dict[str, Spec]:
        return {}

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        return (pooling.AvgPool(self.window),)


@dataclass(frozen=True)
class GlobalAvgPool:
    """The mean over height and width: [C,H,W] -> [C,1,1] (PyTorch's AdaptiveAvgPool2d(1))."""

    def output(self, *shapes: Shape) -> Shape:
        return image(shapes)[0], 1, 1

    def weights(self, *shapes: Shape) -> dict[str, Spec]:
        return {}

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        return (pooling.GlobalAvgPool(),)


def _window(kernel_size: int | Pair, stride: int | Pair | None, padding: int | Pair, dilation: Pair) -> Window:
    size = ranges.pair("kernel_size", kernel_size, 1)
    pads = ranges.pair("padding", padding, 0)
    fits = all(2 * pad <= k for pad, k in zip(pads, size, strict=True))
    ranges.check("padding", padding, fits, f"at most half of kernel_size ({kernel_size})")
    return Window(size, size if stride is None else ranges.pair("stride", stride, 1), pads, dilation)
