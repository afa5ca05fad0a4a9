"""Write PyTorch's results for SimpleCNN, which `make test` compares with where there is no PyTorch."""

from pathlib import Path

import numpy as np

from tests.oracle.simple_cnn import computed

FILE = Path(__file__).parent.parent / "service" / "simple_cnn.npz"
BATCHES = (1, 5, 33)

if __name__ == "__main__":
    np.savez_compressed(FILE, **{f"{n}/{name}": array for n in BATCHES for name, array in computed(n, n).items()})
