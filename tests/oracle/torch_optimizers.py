"""The same optimizers in PyTorch."""

from typing import Any

import torch

from tests.model.optimizer_cases import gradients, start
from tests.model.sketch import Array

CLASSES = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}


def torch_run(options: dict[str, Any], dtype: torch.dtype = torch.float32) -> Array:
    """The parameters after all steps with PyTorch's optimizer."""
    named = {key: value for key, value in options.items() if key not in ("name", "learning_rate")}
    rates = (
        {"lr": options["learning_rate"]}
        if "learning_rate" in options
        else {"lr": 1e-2 if options["name"] == "rmsprop" else 1e-3}
    )
    param = torch.tensor(start(), dtype=dtype, requires_grad=True)
    optimizer = CLASSES[options["name"]]([param], **rates, **named)
    for gradient in gradients():
        param.grad = torch.tensor(gradient, dtype=dtype)
        optimizer.step()
    return param.detach().numpy()
