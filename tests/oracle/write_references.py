"""Writes tests/model/references.npz: what PyTorch says of small random networks and of the optimizers, in float64.

Inputs and weights are not stored: the seeds make them again. Run from the repository's root:
`python -m tests.oracle.write_references`
"""

import numpy as np
import torch

from tests.model.optimizer_cases import OPTIMIZERS
from tests.model.references import NETWORKS, PATH
from tests.model.sketch import Array
from tests.oracle.kinks import settled
from tests.oracle.torch_network import answer
from tests.oracle.torch_optimizers import torch_run


def references() -> dict[str, Array]:
    """Arrays by `network/<seed>/<attempt>/<group>/<tensor>` and `optimizer/<case>`."""
    found: dict[str, Array] = {}
    for seed in NETWORKS:
        this, attempt = settled(seed, small=True)
        for group, tensors in answer(this).results.items():
            found.update({f"network/{seed}/{attempt}/{group}/{name}": value for name, value in tensors.items()})
    for name, options in OPTIMIZERS.items():
        found[f"optimizer/{name}"] = torch_run(options, torch.float64)
    return found


if __name__ == "__main__":
    np.savez_compressed(PATH, allow_pickle=False, **references())
