"""What the random networks are: pure, and covering everything."""

import numpy as np

from convserve_model import LAYERS, LOSSES, Network
from tests.model.random_networks import Case, case

SEEDS = range(320)


def test_a_case_is_a_pure_function_of_its_seed() -> None:
    """Twice the same seed is the same network and the same bits; another attempt has other inputs only."""
    first, again, other = case(3), case(3), case(3, 1)
    assert first.architecture == again.architecture == other.architecture
    for name, array in first.weights.items():
        np.testing.assert_array_equal(array, again.weights[name])
        np.testing.assert_array_equal(array, other.weights[name])
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)


def test_weights_fit_the_network() -> None:
    """The generator knows every parameter, buffer and shape without asking the library."""
    for seed in SEEDS:
        this = case(seed)
        network = Network.from_dict(this.architecture)
        assert {name: spec.shape for name, spec in network.specs.items()} == {
            name: array.shape for name, array in this.weights.items()
        }, seed


def test_everything_is_drawn() -> None:
    """Each layer, loss, option and mode is in 320 seeds, often."""
    cases = [case(seed) for seed in SEEDS]

    def count(kind: str, **options: object) -> int:
        def fits(layer: dict[str, object]) -> bool:
            return layer["type"] == kind and all(layer.get(key) == value for key, value in options.items())

        return sum(any(fits(layer) for layer in this.layers) for this in cases)

    assert min(count(kind) for kind in LAYERS) >= 20
    assert all(sum(this.loss["name"] == name for this in cases) >= 20 for name in LOSSES)
    assert min(count("conv2d", dilation=2), count("conv2d", stride=2), count("conv2d", bias=False)) >= 20
    assert min(count("batch_norm2d", momentum=None), count("batch_norm2d", affine=False)) >= 10
    assert sum(_has_groups(this) for this in cases) >= 40
    assert {len(this.x) for this in cases} >= {1, 2, 3, 31, 32, 33}
    assert 100 <= sum(this.train for this in cases) <= 220


def _has_groups(this: Case) -> bool:
    return any(layer.get("groups", 1) > 1 for layer in this.layers)
