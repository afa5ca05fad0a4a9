"""PyTorch without a compiler: an architecture as a module, run layer by layer."""

from typing import Any

import numpy as np
import torch
from torch import nn

from bench.engine.cells import LEARNING_RATE, MOMENTUM, TRAIN, Array, Task
from bench.engine.work import Work
from tests.oracle.torch_network import module

torch.optim.SGD([torch.zeros(1)])  # the first one imports much that a step has no use for, and that is no memory of it


def prepare(task: Task, threads: int) -> Work:
    torch.set_num_threads(threads)
    network = Graph(task.architecture, task.weights)
    x, y = torch.from_numpy(task.x), torch.from_numpy(task.y)
    return Step(network.train(), x, y) if task.mode == TRAIN else Inference(network.eval(), x)


class Inference:
    """The logits of x, outside of autograd."""

    def __init__(self, network: nn.Module, x: torch.Tensor) -> None:
        self._network, self._x = network, x

    def __call__(self) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = self._network(self._x)
            return logits

    def answer(self) -> dict[str, Array]:
        return {"logits": self().numpy()}


class Step:
    """One step of SGD on x and y."""

    def __init__(self, network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
        self._network, self._x, self._y = network, x, y
        self._loss = nn.CrossEntropyLoss()
        self._optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)

    def __call__(self) -> float:
        self._optimizer.zero_grad(set_to_none=True)
        loss: torch.Tensor = self._loss(self._network(self._x), self._y)
        loss.backward()
        self._optimizer.step()
        return loss.item()

    def answer(self) -> dict[str, Array]:
        return {"loss": np.array(self()), **{k: v.numpy() for k, v in self._network.state_dict().items()}}


class Graph(nn.Module):
    """The modules in order; a value is kept for as long as a later layer asks for it by name."""

    def __init__(self, architecture: dict[str, Any], weights: dict[str, Array]) -> None:
        super().__init__()
        entries = architecture["layers"]
        names = [entry.get("name", str(position)) for position, entry in enumerate(entries)]
        asked = [tuple(entry.get("inputs", ())) for entry in entries]
        last = {source: position for position, sources in enumerate(asked) for source in sources}
        dropped = [[source for source, reader in last.items() if reader == i] for i in range(len(entries))]
        modules = [
            module(entry, weights, name, dtype=torch.float32) for name, entry in zip(names, entries, strict=True)
        ]
        for name, part in zip(names, modules, strict=True):
            self._place(name, part)
        self._steps = list(zip(names, modules, asked, dropped, [name in last for name in names], strict=True))
        self.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept: dict[str, torch.Tensor] = {}
        for name, part, asked, dropped, keep in self._steps:
            x = part(*[kept[source] for source in asked]) if asked else part(x)
            for source in dropped:
                del kept[source]
            if keep:
                kept[name] = x
        return x

    def _place(self, name: str, placed: nn.Module) -> None:
        """As a submodule of submodules, for a name with dots, so that `state_dict` has our names."""
        *path, end = name.split(".")
        parent: nn.Module = self
        for part in path:
            if part not in parent._modules:
                parent.add_module(part, nn.Module())
            parent = parent.get_submodule(part)
        parent.add_module(end, placed)
