"""Small models for tests of the service."""

from typing import Any

SIMPLE_CNN: dict[str, Any] = {
    "architecture": {
        "input": [1, 4, 4],
        "layers": [
            {"type": "conv2d", "name": "conv", "out_channels": 2, "kernel_size": 3, "padding": 1},
            {"type": "relu"},
            {"type": "max_pool2d", "kernel_size": 2},
            {"type": "flatten"},
            {"type": "linear", "name": "fc", "out_features": 2},
        ],
    }
}


def trained_with(**training: Any) -> dict[str, Any]:
    """SimpleCNN with another loss, optimizer or schedule."""
    return {**SIMPLE_CNN, "training": training}
