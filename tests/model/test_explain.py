"""What the methods of explanation promise, without PyTorch; `tests/oracle/test_explain.py` compares with that."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from convserve_model import METHODS, Engine, ModelError, Network, OptionError, TargetError, explain
from convserve_model.losses import MSE
from convserve_model.prepare import microbatch
from tests.model.answers import snapshot_of
from tests.model.engine_cases import NETWORK, rows, start
from tests.model.gradients import weights_of
from tests.model.sketch import Array, Draw
from tests.tolerance import relative_error

FLAT, RELU, TANH = {"type": "flatten"}, {"type": "relu"}, {"type": "tanh"}
CONV = {"type": "conv2d", "name": "conv", "out_channels": 5, "kernel_size": 3, "stride": 2}
POOL = {"type": "avg_pool2d", "kernel_size": 2}
FC = {"type": "linear", "name": "fc", "out_features": 3}
TARGET = np.array([2, 0, 3, 1, 0])


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine(2)
    yield made
    made.close()


def network(*layers: dict[str, Any], input: tuple[int, int, int] = (2, 9, 11)) -> Network:
    return Network.from_dict({"input": input, "layers": layers})


def subject(engine: Engine, network: Network = NETWORK, **options: Any) -> explain.Subject:
    return explain.Subject(engine, network, snapshot_of(network, weights_of(network), np.float64), **options)


def explained(this: explain.Subject, name: str, x: Array, target: Array | None = None, **options: Any) -> Any:
    return explain.attributions(this, explain.method(name, options), x, target)


def one_hot(target: Array, classes: int) -> Array:
    return np.eye(classes)[target]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("n", [1, 37])
def test_bits_do_not_depend_on_threads(name: str, n: int) -> None:
    """1, 2 and 4 threads, on a network with convolutions in groups, batch norm, pools and a residual."""
    x, _ = rows(n)
    found = []
    for threads in (1, 2, 4):
        engine = Engine(threads)
        found.append(explained(explain.Subject(engine, NETWORK, start()), name, x))
        engine.close()
    for other in found[1:]:
        assert [key for key in found[0] if found[0][key].tobytes() != other[key].tobytes()] == []


@pytest.mark.parametrize("name", METHODS)
def test_an_explanation_is_shaped_like_x(engine: Engine, name: str) -> None:
    """In the model's dtype and finite; by default of the largest output."""
    x, _ = rows(5)
    found = explained(explain.Subject(engine, NETWORK, start()), name, x)
    assert (found["explanation"].shape, found["explanation"].dtype) == (x.shape, x.dtype)
    assert np.isfinite(found["explanation"]).all()
    assert found["explanation"].any()
    assert np.array_equal(found["target"], engine.infer(NETWORK, start(), x)["logits"].argmax(axis=1))
    assert (found["explanation"] < 0).any() == METHODS[name].signed


@pytest.mark.parametrize("name", ["integrated_gradients", "smoothgrad"])
def test_a_row_of_many_passes_is_alone(engine: Engine, name: str) -> None:
    """Its bits are the same beside other rows."""
    x, _ = rows(3)
    this = explain.Subject(engine, NETWORK, start())
    together = explained(this, name, x)
    for row in range(3):
        alone = explained(this, name, x[row : row + 1])
        assert all(alone[key].tobytes() == together[key][row : row + 1].tobytes() for key in alone)


def test_saliency_and_input_x_gradient_are_gradients(engine: Engine) -> None:
    """|grad/x| and x * grad/x of the target's logit, bit for bit."""
    x, _ = rows(5)
    cotangent = one_hot(TARGET, 4).astype(np.float32)
    slope = engine.gradients(NETWORK, start(), x, loss=MSE(), cotangent=cotangent, outputs=["grad/x"])["grad/x"]
    this = explain.Subject(engine, NETWORK, start())
    assert np.array_equal(explained(this, "saliency", x, TARGET)["explanation"], np.abs(slope))
    assert np.array_equal(explained(this, "input_x_gradient", x, TARGET)["explanation"], x * slope)


def test_the_completeness_error_is_what_is_missing(engine: Engine) -> None:
    """|sum(explanation) - (F(x) - F(baseline))|, with a baseline for each channel."""
    x, _ = rows(5, np.float64)
    this = subject(engine)
    found = explained(this, "integrated_gradients", x, TARGET, steps=7, baseline=[0.25, -0.5])
    baseline = np.broadcast_to(np.array([0.25, -0.5])[:, None, None], x.shape)
    ends, starts = (this.outputs(data)[np.arange(5), TARGET] for data in (x, baseline))
    missing = np.abs(found["explanation"].sum(axis=(1, 2, 3)) - (ends - starts))
    np.testing.assert_allclose(found["completeness_error"], missing, rtol=1e-6, atol=1e-13)
    assert (found["completeness_error"] > 1e-9).all()


def test_more_steps_are_more_complete(engine: Engine) -> None:
    """Over kinks ten times the steps leave less than a fifth of the error; of a smooth function nothing is left."""
    x, _ = rows(5, np.float64)
    errors = [
        explained(subject(engine), "integrated_gradients", x, TARGET, steps=steps)["completeness_error"].mean()
        for steps in (4, 40, 400)
    ]
    assert errors[1] < errors[0] / 5
    assert errors[2] < errors[1] / 5
    smooth = subject(engine, network(CONV, TANH, POOL, FLAT, FC))
    x = Draw(1, 0).array((3, 2, 9, 11), -1.0, 1.0)
    assert explained(smooth, "integrated_gradients", x, steps=40)["completeness_error"].max() < 1e-12


def test_a_linear_model_is_explained_exactly(engine: Engine) -> None:
    """One step gives (x - baseline) * weight, which is complete."""
    this = subject(engine, network(FLAT, FC, input=(1, 2, 3)))
    x, target = Draw(2, 0).array((4, 1, 2, 3), -1.0, 1.0), np.array([0, 1, 2, 1])
    weight = this.snapshot.parameters["fc.weight"][target].reshape(x.shape)
    found = explained(this, "integrated_gradients", x, target, steps=1, baseline=0.5)
    np.testing.assert_allclose(found["explanation"], (x - 0.5) * weight, atol=1e-15)
    assert found["completeness_error"].max() < 1e-15
    np.testing.assert_allclose(explained(this, "smoothgrad", x, target, samples=3)["explanation"], np.abs(weight))


def test_smoothgrad_is_the_mean_of_saliencies(engine: Engine) -> None:
    """At x plus normal draws keyed by (seed, sample), with a standard deviation of `noise` times the row's range."""
    x, _ = rows(2, np.float64)
    this, target = subject(engine), TARGET[:2]
    expected = np.zeros_like(x)
    for sample in range(6):
        key, counter = np.array([9, 0], np.uint64), np.array([0, 3, sample, 0], np.uint64)
        draw = np.random.Generator(np.random.Philox(key=key, counter=counter)).standard_normal(x.shape[1:], np.float32)
        deviation = 0.1 * (x.max(axis=(1, 2, 3)) - x.min(axis=(1, 2, 3)))
        moved = x + deviation[:, None, None, None] * draw
        expected += explained(this, "saliency", moved, target)["explanation"] / 6
    found = explained(this, "smoothgrad", x, target, samples=6, noise=0.1, seed=9)["explanation"]
    assert relative_error(found, expected) < 1e-13


def test_without_noise_smoothgrad_is_saliency(engine: Engine) -> None:
    """To rounding; and another seed is another draw."""
    x, _ = rows(5, np.float64)
    this = subject(engine)
    saliency = explained(this, "saliency", x, TARGET)["explanation"]
    still = explained(this, "smoothgrad", x, TARGET, noise=0.0, samples=9)["explanation"]
    assert relative_error(still, saliency) < 1e-14
    seeds = [explained(this, "smoothgrad", x, TARGET, seed=seed, samples=3)["explanation"] for seed in (1, 1, 2)]
    assert np.array_equal(seeds[0], seeds[1])
    assert not np.array_equal(seeds[0], seeds[2])


TAILS: dict[str, list[dict[str, Any]]] = {
    "relu and pool": [RELU, {"type": "max_pool2d", "kernel_size": 2}, FLAT, FC],
    "batch norm": [{"type": "batch_norm2d", "name": "bn"}, TANH, FLAT, FC],
    "a residual": [
        {"type": "conv2d", "name": "inner", "out_channels": 5, "kernel_size": 3, "padding": 1},
        {"type": "add", "name": "sum", "inputs": ["inner", "conv"]}, RELU, FLAT, FC,
    ],
}  # fmt: skip


@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_grad_cam_is_its_formula(engine: Engine, tail: list[dict[str, Any]], n: int) -> None:
    """Element by element in float64, with the gradient from the rest of the network as a network of its own."""
    whole = network(CONV, *tail)
    this = subject(engine, whole)
    x, target = Draw(3, n).array((n, 2, 9, 11), -1.0, 1.0), np.arange(n) % 3
    found = explained(this, "grad_cam", x, target, layer="conv")["explanation"]

    a = engine.infer(whole, this.snapshot, x, ["conv"])["conv"]
    rest = network(*(_reading_x(layer) for layer in tail), input=a.shape[1:])
    weights = {name: array for name, array in this.snapshot.weights().items() if not name.startswith("conv.")}
    state = snapshot_of(rest, weights, np.float64)
    da = engine.gradients(rest, state, a, loss=MSE(), cotangent=one_hot(target, 3), outputs=["grad/x"])["grad/x"]
    _, k, h, w = a.shape
    for row in range(n):
        map_ = np.maximum(sum(da[row, c].sum() / (h * w) * a[row, c] for c in range(k)), 0)
        for channel in range(2):
            np.testing.assert_allclose(found[row, channel], enlarged(map_, 9, 11), atol=1e-12)
    assert found.any()


def _reading_x(layer: dict[str, Any]) -> dict[str, Any]:
    return (
        {**layer, "inputs": ["x" if name == "conv" else name for name in layer["inputs"]]}
        if "inputs" in layer
        else layer
    )


def enlarged(image: Array, height: int, width: int) -> Array:
    """Bilinear, pixel by pixel: each is as far from the image's edges as its centre is."""
    h, w = image.shape
    result = np.empty((height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * h / height - 0.5, 0), h - 1)
            x = min(max((j + 0.5) * w / width - 0.5, 0), w - 1)
            top, left = int(y), int(x)
            down, right = min(top + 1, h - 1), min(left + 1, w - 1)
            dy, dx = y - top, x - left
            upper = image[top, left] * (1 - dx) + image[top, right] * dx
            lower = image[down, left] * (1 - dx) + image[down, right] * dx
            result[i, j] = upper * (1 - dy) + lower * dy
    return result


def test_grad_cam_looks_at_the_last_convolution(engine: Engine) -> None:
    """Unless it is told another layer, which may be any with height and width."""
    x, _ = rows(5)
    this = explain.Subject(engine, NETWORK, start())
    last, named, first, act = (
        explained(this, "grad_cam", x, **options)["explanation"]
        for options in ({}, {"layer": "conv2"}, {"layer": "conv"}, {"layer": "act2"})
    )
    assert np.array_equal(last, named)
    assert not np.array_equal(last, first)
    assert act.any()


def test_sensitivity_of_every_layer_agrees_with_that_of_the_biases(engine: Engine) -> None:
    """A bias is added to each element of its layer's output, so its gradient is the sum of theirs."""
    x, _ = rows(40, np.float64)
    state = snapshot_of(NETWORK, weights_of(NETWORK), np.float64)
    cotangent = Draw(5, 0).array((40, 4), -1.0, 1.0)
    names = ("conv", "bn", "conv2", "bn2", "fc")
    asked = [f"grad/{name}.bias" for name in names]
    grads = engine.gradients(NETWORK, state, x, loss=MSE(), cotangent=cotangent, outputs=[*asked, "grad/x"])
    for name in names:
        held, slope = engine.sensitivity(NETWORK, state, x, cotangent, of=name)
        assert np.array_equal(held, engine.infer(NETWORK, state, x, [name])[name])
        axes = tuple(axis for axis in range(slope.ndim) if axis != 1)
        np.testing.assert_allclose(slope.sum(axis=axes), grads[f"grad/{name}.bias"], rtol=1e-10, atol=1e-12)
    assert np.array_equal(engine.sensitivity(NETWORK, state, x, cotangent)[1], grads["grad/x"])


def test_a_dropout_holds_what_its_input_holds(engine: Engine) -> None:
    """In evaluation it is no step of its own, also where it is the first layer."""
    x = Draw(6, 0).array((3, 2, 9, 11), -1.0, 1.0)
    this = subject(engine, network({"type": "dropout", "name": "drop"}, CONV, TANH, FLAT, FC))
    cotangent = Draw(7, 0).array((3, 3), -1.0, 1.0)
    for of in ("x", "drop"):
        held, slope = engine.sensitivity(this.network, this.snapshot, x, cotangent, of=of)
        assert np.array_equal(held, x)
        assert np.array_equal(slope, engine.sensitivity(this.network, this.snapshot, x, cotangent)[1])


WRONG: dict[str, tuple[Callable[[explain.Subject, Array], Any], type[ModelError], str, str]] = {
    "no such method": (lambda s, x: explained(s, "lime", x), OptionError, "method", "grad_cam"),
    "an option of another": (lambda s, x: explained(s, "saliency", x, steps=3), OptionError, "steps", "no options"),
    "no steps": (lambda s, x: explained(s, "integrated_gradients", x, steps=0), OptionError, "steps", "at least 1"),
    "no samples": (lambda s, x: explained(s, "smoothgrad", x, samples=0), OptionError, "samples", "at least 1"),
    "noise below zero": (lambda s, x: explained(s, "smoothgrad", x, noise=-0.1), OptionError, "noise", "at least 0"),
    "a baseline of three": (
        lambda s, x: explained(s, "integrated_gradients", x, baseline=[0, 0, 0]), OptionError, "baseline", "2 of them",
    ),
    "a baseline of NaN": (
        lambda s, x: explained(s, "integrated_gradients", x, baseline=float("nan")), OptionError, "baseline", "finite",
    ),
    "no such layer": (lambda s, x: explained(s, "grad_cam", x, layer="no"), ModelError, "layer", "conv2"),
    "a flat layer": (lambda s, x: explained(s, "grad_cam", x, layer="fc"), ModelError, "layer", "height"),
    "a target too large": (
        lambda s, x: explained(s, "saliency", x, np.array([0, 4])), TargetError, "target[1]", "from 0 to 3",
    ),
    "a target below zero": (
        lambda s, x: explained(s, "saliency", x, np.array([-1, 0])), TargetError, "target[0]", "from 0 to 3",
    ),
    "too few targets": (lambda s, x: explained(s, "saliency", x, np.array([0])), TargetError, "target", "[2]"),
    "targets that are no numbers of classes": (
        lambda s, x: explained(s, "saliency", x, np.array([0.0, 1.0])), TargetError, "target", "integers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_said(wrong: Any, engine: Engine) -> None:
    """With the field that is to blame, and what it should be."""
    call, kind, where, words = wrong
    with pytest.raises(kind) as caught:
        call(explain.Subject(engine, NETWORK, start()), rows(2)[0])
    assert caught.value.where == where
    assert words in str(caught.value)


def test_a_network_without_convolutions_has_no_grad_cam(engine: Engine) -> None:
    """The error names the layers that could be looked at instead; one of them can."""
    this = subject(engine, network(POOL | {"name": "pool"}, FLAT, FC))
    x = Draw(8, 0).array((1, 2, 9, 11), -1.0, 1.0)
    with pytest.raises(ModelError, match=r"no convolution.*pool"):
        explained(this, "grad_cam", x)
    assert explained(this, "grad_cam", x, layer="pool")["explanation"].shape == x.shape


@pytest.mark.parametrize(
    ("name", "options"),
    [("saliency", {}), ("grad_cam", {}), ("integrated_gradients", {"steps": 700}), ("smoothgrad", {"samples": 700})],
)
def test_long_work_is_cut_and_can_be_stopped(engine: Engine, name: str, options: dict[str, int]) -> None:
    """No more than two microbatches go through the network at once, with a check before each of these pieces."""
    wide = network({**CONV, "out_channels": 64, "stride": 1}, FLAT, FC, input=NETWORK.input)
    n = 2 if options else 700
    x, _ = rows(n, np.float64)
    checks: list[int] = []
    explained(subject(engine, wide, check=lambda: checks.append(1)), name, x, **options)
    pieces = -(-700 // (2 * microbatch(wide)))
    assert pieces > 1
    assert len(checks) == 1 + (n * pieces if options else pieces)

    def check() -> None:
        checks.pop()
        if not checks:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        explained(subject(engine, wide, check=check), name, x, **options)
