"""Batch normalization."""

from convserve_model import ranges
from convserve_model.kernels.normalization import Moments, Normalize, NormalizeRunning
from convserve_model.layers.shapes import image
from convserve_model.protocols import Kernel, Shape, Spec
from convserve_model.values import dataclass


@dataclass(frozen=True)
class BatchNorm2d:
    """PyTorch's BatchNorm2d: whole-batch statistics in training, running ones in evaluation.

    momentum null is the cumulative average; affine false has no weight and bias.
    """

    eps: float = 1e-5
    momentum: float | None = 0.1
    affine: bool = True

    def __post_init__(self) -> None:
        ranges.number("eps", self.eps, lambda v: v > 0, "a number above 0")
        if self.momentum is not None:
            ranges.number("momentum", self.momentum, lambda v: 0 <= v <= 1, "a number from 0 to 1, or null")
        ranges.boolean("affine", self.affine)

    def output(self, *shapes: Shape) -> Shape:
        return image(shapes)

    def weights(self, *shapes: Shape) -> dict[str, Spec]:
        c, _, _ = image(shapes)
        affine = {"weight": Spec((c,), fill=1.0), "bias": Spec((c,))} if self.affine else {}
        return {
            **affine,
            "running_mean": Spec((c,), trainable=False),
            "running_var": Spec((c,), fill=1.0, trainable=False),
            "num_batches_tracked": Spec((), trainable=False, dtype="int64"),
        }

    def kernels(self, *shapes: Shape, n: int, train: bool) -> tuple[Kernel, ...]:
        return (Moments(self.momentum), Normalize(self.eps)) if train else (NormalizeRunning(self.eps),)
