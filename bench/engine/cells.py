"""A cell of the table, and what its sides are given: architecture, weights and data, the same for all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
TRAIN, INFER = "train", "infer"
OURS, PYTORCH, RUNTIME = "ours", "pytorch", "onnxruntime"
LABELS = {OURS: "ours", PYTORCH: "PyTorch", RUNTIME: "ONNX Runtime"}
SIDES = {TRAIN: (OURS, PYTORCH), INFER: (OURS, PYTORCH, RUNTIME)}
LEARNING_RATE, MOMENTUM = 0.01, 0.9
WEIGHTS = "weights/"


@dataclass(frozen=True)
class Cell:
    """One network at one batch, on so many threads."""

    network: str
    batch: int
    mode: str
    threads: int

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.mode} {self.network}, batch {self.batch}, {threads}"


@dataclass(frozen=True)
class Task:
    """x [N,C,H,W] float32, y [N] int64, weights and buffers by PyTorch's names."""

    mode: str
    architecture: dict[str, Any]
    weights: dict[str, Array]
    x: Array
    y: Array

    def save(self, path: Path) -> dict[str, Any]:
        """The arrays go into a file; the rest is what `load` needs beside it."""
        weights = {WEIGHTS + name: array for name, array in self.weights.items()}
        np.savez(path, allow_pickle=False, x=self.x, y=self.y, **weights)
        return {"path": str(path), "mode": self.mode, "architecture": self.architecture}

    @classmethod
    def load(cls, *, path: str, mode: str, architecture: dict[str, Any]) -> "Task":
        with np.load(path) as arrays:
            weights = {name.removeprefix(WEIGHTS): arrays[name] for name in arrays if name.startswith(WEIGHTS)}
            return cls(mode, architecture, weights, arrays["x"], arrays["y"])
