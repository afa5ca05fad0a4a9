"""The network that every service in this folder computes with, on one thread."""

import os

import torch
from lenet5 import lenet5
from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = "LENET5_WEIGHTS"


class Network:
    """LeNet-5 with the weights of the safetensors file that the environment names."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._layers: nn.Sequential = lenet5().eval()
        self._layers.load_state_dict(load_file(os.environ[WEIGHTS]))

    def __call__(self, pixels: Tensor) -> Tensor:
        """784 pixels in any shape to logits [1,10]."""
        with torch.inference_mode():
            logits: Tensor = self._layers(pixels.reshape(1, 1, 28, 28))
            return logits
