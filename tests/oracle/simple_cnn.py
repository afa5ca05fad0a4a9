"""The SimpleCNN of the introduction to CNNs that this project rests on, in PyTorch, and what it computes."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Arrays = dict[str, npt.NDArray[Any]]


class SimpleCNN(nn.Module):
    """conv 1->2 3x3, ReLU, max-pool 2, linear 8->2, on 4x4 images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels=1, out_channels=2, kernel_size=3, stride=1, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.fc = nn.Linear(2 * 2 * 2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.relu(self.conv(x)))
        out: torch.Tensor = self.fc(x.view(x.size(0), -1))
        return out


def computed(batch: int, seed: int, dtype: torch.dtype = torch.float32) -> Arrays:
    """Weights `w/<name>`, `x`, `y`, all float32 values; and from them, computed in `dtype` with MSE, `logits`, `loss`,
    `grad/<name>`, `grad/x`."""
    torch.manual_seed(seed)
    model = SimpleCNN().to(dtype)
    x = torch.randn(batch, 1, 4, 4).to(dtype).requires_grad_()
    y = torch.eye(2, dtype=dtype)[torch.arange(batch) % 2]
    logits = model(x)
    loss = nn.MSELoss()(logits, y)
    loss.backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    found = {"x": x.detach(), "y": y, "logits": logits.detach(), "loss": loss.detach()[None], "grad/x": x.grad}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        found |= {f"w/{name}": parameter.detach(), f"grad/{name}": parameter.grad}
    return {name: np.asarray(tensor.numpy()) for name, tensor in found.items()}
