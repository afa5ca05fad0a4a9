"""Arrays that come and go: read-only, copied, of one dtype."""

from typing import Any

import numpy as np
import pytest

from convserve_model import LAYERS, Engine, Network, Snapshot
from tests.model.engine_cases import TRAINING, rows
from tests.model.sketch import Array
from tests.model.test_gradients import FLAT, ROWS, Row


def frozen(*arrays: Array) -> None:
    for array in arrays:
        array.flags.writeable = False


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_arrays_received_are_only_read(row: Row) -> None:
    """x, targets, cotangents and weights may be read-only, and stay the same; results are writeable copies."""
    network = Network.from_dict({"input": row.image, "layers": row.layers + ([] if row.flat else [FLAT])})
    snapshot = Snapshot.initial(network, TRAINING, seed=1)
    x = rows(row.n)[0].repeat(30)[: row.n * int(np.prod(row.image))].reshape(row.n, *row.image)
    cotangent = np.ones((row.n, network.classes), np.float32)
    frozen(x, cotangent, *snapshot.weights().values())
    before = [array.tobytes() for array in (x, cotangent, *snapshot.weights().values())]
    outputs = ("logits", "grad/x", *network.names, *(f"grad/{name}" for name in network.parameters))
    options: dict[str, Any] = {"loss": TRAINING.loss, "cotangent": cotangent, "train": row.train, "outputs": outputs}
    found = Engine().gradients(network, snapshot, x, **options)
    assert [array.tobytes() for array in (x, cotangent, *snapshot.weights().values())] == before
    for name, array in found.items():
        assert array.flags.writeable, name
        assert not any(np.shares_memory(array, own) for own in (x, cotangent, *snapshot.weights().values())), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_layer_keeps_the_dtype(row: Row, dtype: Any) -> None:
    """Outputs and gradients are in the parameters' dtype, in both modes (the rows cover LAYERS)."""
    network = Network.from_dict({"input": row.image, "layers": row.layers + ([] if row.flat else [FLAT])})
    snapshot = Snapshot.initial(network, TRAINING, seed=1, dtype=dtype)
    x = np.linspace(-1, 1, row.n * int(np.prod(row.image)), dtype=dtype).reshape(row.n, *row.image)
    cotangent = np.ones((row.n, network.classes), dtype)
    outputs = ("logits", "grad/x", *network.names, *(f"grad/{name}" for name in network.parameters))
    for train in (False, True):
        options: dict[str, Any] = {"loss": TRAINING.loss, "cotangent": cotangent, "train": train, "outputs": outputs}
        found = Engine().gradients(network, snapshot, x, **options)
        assert {name for name, array in found.items() if array.dtype != dtype} == set()
    assert {layer["type"] for r in ROWS.values() for layer in r.layers} == set(LAYERS)
