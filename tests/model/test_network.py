"""Architectures: what is refused and how it is said, and the JSON form."""

from typing import Any

import pytest

from convserve_model import LAYERS, ArchitectureError, Network
from tests.model.random_networks import case

FLAT = {"type": "flatten"}
CONV = {"type": "conv2d", "name": "c", "out_channels": 4, "kernel_size": 3}


def fc(**options: Any) -> dict[str, Any]:
    return {"type": "linear", "name": "fc", "out_features": 2, **options}


# layers on [2,6,6], and what the message must say: the layer, what it got, what it needs; and where
BAD: dict[str, tuple[list[dict[str, Any]], list[str], str]] = {
    "linear on an image": ([CONV, fc()], ["'fc' (linear)", "[4, 4, 4] from 'c'", "[features]"], "layers[1]"),
    "conv on features": ([FLAT, CONV], ["'c' (conv2d)", "[72] from '0'", "[channels, height, width]"], "layers[1]"),
    "flatten twice": ([FLAT, FLAT], ["'1' (flatten)", "[72] from '0'", "image"], "layers[1]"),
    "window too large": (
        [CONV | {"kernel_size": 7}],
        ["'c' (conv2d)", "[2, 6, 6] from 'x'", "height of at least 7", "width of at least 7"],
        "layers[0]",
    ),
    "dilated window too large": (
        [CONV | {"dilation": [1, 3]}],
        ["'c' (conv2d)", "height of at least 3", "width of at least 7"],
        "layers[0]",
    ),
    "groups do not divide the input": (
        [CONV | {"out_channels": 6, "groups": 3}],
        ["'c' (conv2d)", "[2, 6, 6]", "multiple of groups (3)"],
        "layers[0]",
    ),
    "groups do not divide the output": (
        [CONV | {"groups": 3}],
        ["'c' (conv2d)", "out_channels is 4", "multiple of groups (3)"],
        "layers[0].out_channels",
    ),
    "pool padding": (
        [{"type": "max_pool2d", "name": "p", "kernel_size": 2, "padding": 2}],
        ["'p' (max_pool2d)", "padding is 2", "half of kernel_size (2)"],
        "layers[0].padding",
    ),
    "add of different shapes": (
        [CONV, {"type": "add", "name": "s", "inputs": ["c", "x"]}],
        ["'s' (add)", "[4, 4, 4] from 'c'", "[2, 6, 6] from 'x'", "equal shape"],
        "layers[1]",
    ),
    "add of one": ([CONV, {"type": "add", "name": "s"}], ["'s' (add)", "two or more inputs"], "layers[1]"),
    "concat of different sizes": (
        [CONV, {"type": "concat", "name": "s", "inputs": ["c", "x"]}],
        ["'s' (concat)", "[4, 4, 4] from 'c'", "equal but for their channels"],
        "layers[1]",
    ),
    "two inputs for one": (
        [CONV, {"type": "relu", "name": "r", "inputs": ["c", "x"]}],
        ["'r' (relu)", "exactly one input"],
        "layers[1]",
    ),
    "no inputs": (
        [{"type": "flatten", "name": "f", "inputs": []}],
        ["'f' (flatten)", "exactly one input"],
        "layers[0]",
    ),
    "ends in an image": ([CONV], ["last layer 'c'", "[4, 4, 4]", "[classes]"], "layers[0]"),
    "unknown type": ([{"type": "conv3d", "name": "c"}], ["'c'", "'conv3d'", *LAYERS], "layers[0]"),
    "no type": ([{"name": "c"}], ["'c'", "None", "conv2d"], "layers[0]"),
    "unknown option": ([CONV | {"strides": 2}], ["'c' (conv2d)", "strides", "stride"], "layers[0]"),
    "missing option": ([{"type": "conv2d", "name": "c"}], ["'c' (conv2d)", "out_channels, kernel_size"], "layers[0]"),
    "number out of range": ([CONV | {"stride": 0}], ["'c' (conv2d)", "stride is 0", "at least 1"], "layers[0].stride"),
    "triple for a pair": ([CONV | {"kernel_size": [1, 2, 3]}], ["kernel_size", "pair"], "layers[0].kernel_size"),
    "fraction for an integer": ([CONV | {"out_channels": 1.5}], ["out_channels is 1.5"], "layers[0].out_channels"),
    "true for an integer": ([CONV | {"out_channels": True}], ["out_channels is True"], "layers[0].out_channels"),
    "probability": ([{"type": "dropout", "p": 1.5}], ["'0' (dropout)", "p is 1.5", "0 to 1"], "layers[0].p"),
    "not a number": ([{"type": "dropout", "p": float("nan")}], ["p is nan"], "layers[0].p"),
    "infinite slope": (
        [{"type": "leaky_relu", "negative_slope": float("inf")}],
        ["negative_slope is inf", "finite"],
        "layers[0].negative_slope",
    ),
    "batch norm's eps": ([{"type": "batch_norm2d", "eps": 0}], ["eps is 0", "above 0"], "layers[0].eps"),
    "a name twice": ([CONV, CONV], ["'c'", "used twice"], "layers[1]"),
    "a reserved name": ([CONV | {"name": "loss"}], ["'loss'", "cotangent, logits, loss, x, y"], "layers[0]"),
    "a name with a slash": ([CONV | {"name": "a/b"}], ["'a/b'", "letters, digits and _"], "layers[0]"),
    "a name that ends in a dot": ([CONV | {"name": "a."}], ["'a.'", "joined by dots"], "layers[0]"),
    "a name of x": ([CONV | {"name": "x"}], ["'x'"], "layers[0]"),
    "reads a later layer": ([FLAT | {"inputs": ["fc"]}, fc()], ["'0' reads 'fc'", "earlier layers"], "layers[0]"),
    "reads itself": ([FLAT | {"name": "f", "inputs": ["f"]}], ["'f' reads 'f'"], "layers[0]"),
    "read by nobody": ([CONV, FLAT | {"inputs": ["x"]}], ["'c' is read by no other layer"], "layers[0]"),
    "no layers": ([], ["layers is empty"], "layers"),
}


@pytest.mark.parametrize(("layers", "said", "where"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_refused_by_name(layers: list[dict[str, Any]], said: list[str], where: str) -> None:
    """The message names the layer, the shape it got and the shape it needs; `where` points at it."""
    with pytest.raises(ArchitectureError) as caught:
        Network.from_dict({"input": [2, 6, 6], "layers": layers})
    assert [part for part in said if part not in str(caught.value)] == [], str(caught.value)
    assert caught.value.where == where


@pytest.mark.parametrize("image", [[2, 6], [2, 6, 6, 1], [0, 6, 6], [2, 6.0, 6], [True, 6, 6]])
def test_the_input_is_three_positive_integers(image: list[Any]) -> None:
    """Anything else is refused at `input`."""
    with pytest.raises(ArchitectureError, match=r"\[channels, height, width\]") as caught:
        Network.from_dict({"input": image, "layers": [FLAT]})
    assert caught.value.where == "input"


@pytest.mark.parametrize(
    "spec", [{}, {"input": [1, 2, 2]}, {"layers": [FLAT]}, {"input": [1, 2, 2], "layers": [FLAT], "a": 1}]
)
def test_an_architecture_has_input_and_layers(spec: dict[str, Any]) -> None:
    """Nothing more, nothing less."""
    with pytest.raises(ArchitectureError, match="'input' and 'layers'"):
        Network.from_dict(spec)


@pytest.mark.parametrize("seed", range(60))
def test_the_json_form_round_trips(seed: int) -> None:
    """from_dict(to_dict(n)) is n, and to_dict fills in every default."""
    network = Network.from_dict(case(seed).architecture)
    spec = network.to_dict()
    again = Network.from_dict(spec)
    assert again == network
    assert hash(again) == hash(network)
    assert again.to_dict() == spec


def test_inputs_may_be_pairs_or_numbers() -> None:
    """2 and [2, 2] mean the same window."""
    shapes = [
        Network.from_dict({"input": [2, 6, 6], "layers": [CONV | {"stride": stride}, FLAT]}).shapes["c"]
        for stride in (2, [2, 2])
    ]
    assert shapes == [(4, 2, 2)] * 2


def test_unnamed_layers_are_called_by_their_position() -> None:
    """As in PyTorch's Sequential; parameters are `layer.parameter` in order."""
    network = Network.from_dict(
        {"input": [2, 6, 6], "layers": [{"type": "relu"}, FLAT, {"type": "linear", "out_features": 3}]}
    )
    assert network.names == ("0", "1", "2")
    assert network.parameters == ("2.weight", "2.bias")
    assert network.parameter_count == 72 * 3 + 3
    assert network.classes == 3
