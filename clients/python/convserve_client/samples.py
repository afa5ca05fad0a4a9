"""Real data to try things with; `data/README.md` says where it is from."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Digits:
    """Handwritten digits: images uint8 [N,1,28,28], labels int64 [N]; 8,000 to train with and 2,000 to test."""

    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64]


def digits() -> Digits:
    """10,000 digits of MNIST, shipped with the package."""
    with (files("convserve_client") / "data" / "mnist-10k.npz").open("rb") as file, np.load(file) as data:
        return Digits(
            data["train_images"][:, None],
            data["train_labels"].astype(np.int64),
            data["test_images"][:, None],
            data["test_labels"].astype(np.int64),
        )


def seven() -> Path:
    """A PNG file of the first 7 of `test_images`, for those who have no picture of a digit."""
    return Path(__file__).with_name("data") / "seven.png"
