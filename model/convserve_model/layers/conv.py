"""Two-dimensional convolution."""

import math

from convserve_model import ranges
from convserve_model.errors import ShapeError
from convserve_model.kernels.convolution import Convolution
from convserve_model.kernels.costs import Shapes
from convserve_model.kernels.windows import Window
from convserve_model.layers.shapes import image, slide
from convserve_model.protocols import Kernel, Shape, Spec
from convserve_model.values import dataclass


@dataclass(frozen=True)
class Conv2d:
    """PyTorch's Conv2d with zero padding; weight is [out_channels, in_channels / groups, kh, kw]."""

    out_channels: int
    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        ranges.integer("out_channels", self.out_channels, 1)
        ranges.integer("groups", self.groups, 1)
        ranges.boolean("bias", self.bias)
        fits = self.out_channels % self.groups == 0
        ranges.check("out_channels", self.out_channels, fits, f"a multiple of groups ({self.groups})")
        _ = self.window

    @property
    def window(self) -> Window:
        return Window(
            size=ranges.pair("kernel_size", self.kernel_size, 1),
            stride=ranges.pair("stride", self.stride, 1),
            padding=ranges.pair("padding", self.padding, 0),
            dilation=ranges.pair("dilation", self.dilation, 1),
        )

    def output(self, *shapes: Shape) -> Shape:
        c, h, w = image(shapes)
        if c % self.groups:
            raise ShapeError(f"a number of channels that is a multiple of groups ({self.groups})")
        return self.out_channels, *slide(self.window, h, w)

    def weights(self, *shapes: Shape) -> dict[str, Spec]:
        c, _, _ = image(shapes)
        kernel = self.window.size
        fan_in = c // self.groups * math.prod(kernel)
        bound = 1 / math.sqrt(fan_in)
        specs = {"weight": Spec((self.out_channels, c // self.groups, *kernel), bound)}
        return {**specs, "bias": Spec((self.out_channels,), bound)} if self.bias else specs

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        c, h, w = image(shapes)
        return (Convolution.chosen(Shapes(self.window, self.groups, c, self.out_channels, (h, w), n)),)
