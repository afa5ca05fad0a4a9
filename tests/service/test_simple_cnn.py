"""SimpleCNN over HTTP against PyTorch: weights in as safetensors, then output, loss and every gradient to 1e-6."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from convserve_client import Client
from tests.service.specs import trained_with
from tests.tolerance import relative_error

REFERENCE = np.load(Path(__file__).parent / "simple_cnn.npz")
TOLERANCE = 1e-6
PARAMETERS = ("conv.weight", "conv.bias", "fc.weight", "fc.bias")


def check(server: str, name: str, reference: dict[str, np.ndarray], tmp_path: Path) -> dict[str, float]:
    """The relative error of every result that comes over HTTP."""
    spec = trained_with(loss={"name": "mse"})
    model = Client(server).create(name, spec["architecture"], training=spec["training"])
    file = tmp_path / "simple.safetensors"
    safetensors.numpy.save_file({n: reference[f"w/{n}"].astype(np.float32) for n in PARAMETERS}, file)
    model.put_weights(file)
    outputs = ["logits", "loss", "grad/x", *(f"grad/{n}" for n in PARAMETERS)]
    found = model.gradients(reference["x"], reference["y"], outputs=outputs)
    assert found.x is not None
    assert found.loss is not None
    scale = max(float(np.abs(reference[f"grad/{n}"]).max()) for n in PARAMETERS)
    return {
        "infer": relative_error(model.infer(reference["x"]), reference["logits"]),
        "logits": relative_error(found.outputs["logits"], reference["logits"]),
        "loss": relative_error(np.array([found.loss]), reference["loss"]),
        "grad/x": relative_error(found.x, reference["grad/x"]),
        **{n: relative_error(found.parameters[n], reference[f"grad/{n}"], scale) for n in PARAMETERS},
    }


@pytest.mark.parametrize("batch", [1, 5, 33])
def test_simple_cnn_over_http_is_pytorchs(server: str, name: str, batch: int, tmp_path: Path) -> None:
    """Against PyTorch's committed results."""
    reference = {key.removeprefix(f"{batch}/"): REFERENCE[key] for key in REFERENCE if key.startswith(f"{batch}/")}
    errors = check(server, name, reference, tmp_path)
    assert max(errors.values()) <= TOLERANCE, errors
