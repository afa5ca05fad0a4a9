"""The client against a real service: every verb, as the README shows them."""

import io
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from convserve_client import Client, Conflict, ConvserveError, Invalid, Model, NotFound, PreconditionFailed
from convserve_client.architectures import TEMPLATES
from convserve_client.pictures import png
from convserve_client.samples import digits

RNG = np.random.default_rng(0)
X = RNG.random((20, 1, 4, 4), dtype=np.float32)
Y = np.arange(20) % 2


@pytest.fixture
def client(server: str) -> Client:
    return Client(server)


@pytest.fixture
def model(client: Client, name: str) -> Model:
    return client.create(name, "simple-cnn", training={"optimizer": {"name": "sgd", "learning_rate": 0.1}})


def test_templates_are_accepted(client: Client, name: str) -> None:
    """Each creates a model; its name is listed."""
    for template in TEMPLATES:
        client.create(f"{name}-{template}", template)
    assert {f"{name}-{template}" for template in TEMPLATES} <= {entry["name"] for entry in client.models()}


def test_train_lowers_the_loss_and_evaluate_agrees(model: Model) -> None:
    """One request is one version, with a loss for each step."""
    before = model.evaluate(X, Y)
    made = model.train(X, Y, epochs=30, batch_size=5, shuffle_seed=1)
    after = model.evaluate(X, Y)
    assert (made.version, made.step, made.losses.shape) == (2, 120, (120,))
    assert after.loss < before.loss
    assert after.version == 2
    assert sum(entry.count for entry in after.classes) == after.count == 20


def test_several_requests_without_shuffling_are_one(client: Client, name: str) -> None:
    """The same batches in one request or in four give the same weights, bit for bit; progress is told."""
    one, four = (client.create(f"{name}-{i}", "simple-cnn") for i in range(2))
    seen: list[tuple[int, int]] = []
    whole = one.train(X, Y, batch_size=5)
    parts = four.train(
        X, Y, batch_size=5, steps_per_request=1, progress=lambda done, total, loss: seen.append((done, total))
    )
    assert parts.version == 5
    assert parts.weights_digest == whole.weights_digest
    assert np.array_equal(parts.losses, whole.losses)
    assert seen == [(5, 20), (10, 20), (15, 20), (20, 20)]


def test_gradients_and_step_are_a_training_step(client: Client, name: str) -> None:
    """Applying the gradients that came over the wire is what train does, to float32 rounding of one batch."""
    trained, stepped = (client.create(f"{name}-{i}", "simple-cnn") for i in range(2))
    gradients = stepped.gradients(X, Y)
    made = stepped.step(gradients)
    assert made.weights_digest == trained.train(X, Y).weights_digest
    assert gradients.loss == pytest.approx(trained.versions()[0].loss)


def test_gradients_of_the_input_and_of_a_cotangent(model: Model) -> None:
    """A cotangent of one class gives the derivative of that logit."""
    asked = model.gradients(X[:3], cotangent=np.eye(2)[[0, 0, 0]], outputs=["grad/x", "logits"])
    assert asked.x is not None
    assert asked.x.shape == (3, 1, 4, 4)
    assert asked.loss is None
    moved = model.infer(X[:3] + 1e-3 * np.sign(asked.x))
    assert (moved[:, 0] >= asked.outputs["logits"][:, 0]).all()


def test_explanations_come_with_what_they_explain(model: Model) -> None:
    """Values like x, the class, and how complete integrated gradients are; one target is for every row."""
    found = model.explain(X[:3], method="integrated_gradients", steps=200)
    assert (found.version, found.values.shape) == (1, (3, 1, 4, 4))
    logits = model.infer(X[:3])
    assert np.array_equal(found.target, logits.argmax(axis=1))
    start = model.infer(np.zeros((1, 1, 4, 4), np.float32))[0]
    rows = np.arange(3)
    missing = found.values.sum(axis=(1, 2, 3)) - (logits[rows, found.target] - start[found.target])
    assert found.completeness_error is not None
    assert np.allclose(np.abs(missing), found.completeness_error, atol=1e-6)
    for target in (1, [1, 1, 1], np.array([1, 1, 1], np.uint8)):
        other = model.explain(X[:3], method="saliency", target=target, version=1)
        slopes = model.gradients(X[:3], cotangent=np.eye(2)[[1, 1, 1]], outputs=["grad/x"]).x
        assert slopes is not None
        assert np.array_equal(other.values, np.abs(slopes))
        assert other.completeness_error is None
    with pytest.raises(ConvserveError, match="number of a class"):
        model.explain(X[:3], method="saliency", target=1.5)
    with pytest.raises(Invalid, match="takes no option 'layer'"):
        model.explain(X[:3], method="saliency", layer="conv")


def test_heat_maps_of_whatever_a_person_has(client: Client, name: str, tmp_path: Path) -> None:
    """A path, bytes, a Pillow image and an array of one digit give the same PNG; so does the network's input."""
    model = client.create(name, "lenet5", preprocess={"mean": 0.1307, "std": 0.3081})
    digit = digits().test_images[0, 0]
    file = tmp_path / "digit.png"
    Image.fromarray(digit).save(file)
    x = (digit / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081)
    sources = (str(file), file.read_bytes(), Image.open(file), digit, x, x[None], x[None, None])
    maps = [model.heatmap(source, method="smoothgrad", target=3, samples=4) for source in sources]
    assert len({Image.open(io.BytesIO(map_)).tobytes() for map_ in maps}) == 1
    assert Image.open(io.BytesIO(maps[0])).size == (280, 280)
    assert model.heatmap(file, target=3) != model.heatmap(file, target=4, version=1)
    assert model.heatmap(file, baseline=0.5) == model.heatmap(x, baseline=[0.5])
    with pytest.raises(ConvserveError, match="baseline of a picture"):
        model.heatmap(file, baseline=[0.5])
    with pytest.raises(Invalid, match="2 rows"):
        model.heatmap(np.stack([x, x])[:, None])


def test_weights_go_and_come_back(model: Model, tmp_path: Path) -> None:
    """Arrays and files; the optimizer starts afresh, the step count stays."""
    weights = model.weights()
    assert weights["conv.weight"].shape == (2, 1, 3, 3)
    model.train(X, Y)
    changed = {name: array * 2 for name, array in weights.items()}
    made = model.put_weights(changed)
    assert made.step == 1
    for name, array in model.weights().items():
        assert np.array_equal(array, changed[name])
    file = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file(weights, file)
    model.put_weights(file)
    assert all(np.array_equal(array, weights[name]) for name, array in model.weights().items())


def test_history_rollback_and_aliases(model: Model) -> None:
    """Versions say what made them; an alias is accepted wherever a version is."""
    model.train(X, Y)
    model.alias("production", 1)
    assert np.array_equal(model.infer(X, version="production"), model.infer(X, version=1))
    assert not np.array_equal(model.infer(X), model.infer(X, version=1))
    model.rollback(1)
    assert np.array_equal(model.infer(X), model.infer(X, version=1))
    assert [(row.version, row.parent, row.verb) for row in model.versions()] == [
        (3, 2, "rollback"), (2, 1, "train"), (1, None, "create"),
    ]  # fmt: skip
    model.delete_alias("production")
    with pytest.raises(NotFound):
        model.infer(X, version="production")


def test_predict_takes_whatever_a_person_has(client: Client, name: str, tmp_path: Path) -> None:
    """A path, bytes, a Pillow image and an array of one digit give the same prediction; a list gives a list."""
    model = client.create(name, "lenet5", preprocess={"mean": 0.1307, "std": 0.3081})
    digit = digits().test_images[0, 0]
    file = tmp_path / "digit.png"
    Image.fromarray(digit).save(file)
    answers = [model.predict(source) for source in (str(file), file, file.read_bytes(), Image.open(file), digit)]
    assert len({answer.top for answer in answers}) == 1
    assert len(answers[0].top) == 5
    logits = model.infer(digits().test_images[:1])[0].astype(np.float64)
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert answers[0].probability == pytest.approx(expected.max(), rel=1e-6)
    assert [len(row.top) for row in model.predict([file, digit], top_k=2)] == [2, 2]


def test_predict_of_arrays_is_infer(client: Client, name: str) -> None:
    """A uint8 array is a picture and gets scale, mean and std, a float array is taken as it is; a batch is a list."""
    model = client.create(name, "lenet5", preprocess={"mean": 0.1307, "std": 0.3081})
    for x in (digits().test_images[:3], RNG.standard_normal((3, 1, 28, 28))):
        expected = model.infer(x).argmax(1).tolist()
        assert [row.index for row in model.predict(x)] == expected
        assert [row.index for row in model.predict(list(x))] == expected
        assert [model.predict(row).index for row in x] == expected
        assert model.predict(x[0, 0]).index == expected[0]
    assert model.predict([]) == []


def test_a_model_of_numbers_predicts_values(client: Client, name: str) -> None:
    """Without classes there is no probability but a value, in the order of the outputs."""
    model = client.create(name, "simple-cnn", training={"loss": {"name": "mse"}})
    found = model.predict(X[0])
    assert found.probability is None
    assert [choice.value for choice in found.top] == pytest.approx(model.infer(X[:1])[0].tolist())
    assert found.value == found.top[0].value


def test_writes_expect_a_version_where_they_are_told(model: Model) -> None:
    """If-Match goes with every verb that takes it; a chain of requests expects its own versions."""
    assert model.train(X, Y, batch_size=5, steps_per_request=1, if_match=1).version == 5
    gradients = model.gradients(X, Y)
    for refused in (
        lambda: model.train(X, Y, if_match=1),
        lambda: model.step(gradients, if_match=1),
        lambda: model.put_weights(model.weights(), if_match=1),
        lambda: model.rollback(1, if_match=1),
        lambda: model.alias("stable", 1, if_match=1),
        lambda: model.delete(if_match=1),
    ):
        with pytest.raises(PreconditionFailed) as caught:
            refused()
        assert caught.value.current_version == 5
    model.delete(if_match=5)


def test_a_key_makes_a_long_training_repeatable(model: Model) -> None:
    """The same call with the same key is applied once, in one request or in several."""
    for options in ({}, {"batch_size": 5, "steps_per_request": 2}):
        calls = [model.train(X, Y, idempotency_key=f"{model.name}-{len(options)}", **options) for _ in range(2)]
        assert calls[0].version == calls[1].version
    assert len(model.versions()) == 1 + 1 + 2


def test_a_clipped_step_is_smaller(model: Model) -> None:
    """clip_grad_norm arrives: with norm 1e-6 the weights hardly move."""
    before = model.weights()
    model.train(X, Y, clip_grad_norm=1e-6)
    assert all(np.abs(array - before[name]).max() < 1e-6 for name, array in model.weights().items())
    model.step(model.gradients(X, Y), clip_grad_norm=1e-6)
    assert all(np.abs(array - before[name]).max() < 2e-6 for name, array in model.weights().items())


@pytest.mark.parametrize("shape", [(5, 7), (1, 5, 7), (3, 5, 7), (5, 7, 3)])
def test_png_is_what_pillow_reads(shape: tuple[int, ...]) -> None:
    """Our writer against Pillow's reader."""
    array = RNG.integers(0, 256, shape, np.uint8)
    pixels = np.asarray(Image.open(io.BytesIO(png(array))))
    expected = array.transpose(1, 2, 0) if shape[0] in (1, 3) else array
    assert np.array_equal(pixels, expected.squeeze())


def test_errors_say_what_happened(client: Client, model: Model) -> None:
    """One class for each thing that a caller can do about it."""
    with pytest.raises(NotFound, match="no model 'nobody'"):
        client.model("nobody").infer(X)
    with pytest.raises(Invalid, match=r"\[2, 1, 5, 5\]"):
        model.infer(np.zeros((2, 1, 5, 5)))
    with pytest.raises(Conflict, match="another specification"):
        client.create(model.name, "simple-cnn", seed=5)
    with pytest.raises(PreconditionFailed) as caught:
        model.train(X, Y, if_match=7)
    assert caught.value.current_version == 1
    assert (caught.value.status, caught.value.message) == (412, str(caught.value))


@pytest.mark.parametrize("y", [Y[:-1], np.append(Y, 0), np.array(1)])
def test_rows_without_their_targets_are_not_sent(model: Model, y: np.ndarray) -> None:
    """A piece of a long evaluation cannot tell that y goes on: the whole is checked."""
    for call in (model.evaluate, model.train):
        with pytest.raises(ConvserveError, match="same number of rows"):
            call(X, y)


@pytest.mark.parametrize("odd", ["../digits", "a b", "a?b", "a/b", "ä"])
def test_an_odd_name_stays_a_name(client: Client, odd: str) -> None:
    """It reaches no other path, and the service says that it is none."""
    with pytest.raises((Invalid, NotFound)):
        client.model(odd).versions()


def test_long_evaluations_go_in_pieces(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts add up and the loss is the mean over all rows, on one version."""
    whole = model.evaluate(X, Y)
    monkeypatch.setattr("convserve_client.model.EVALUATE_BYTES", 7 * X[:1].nbytes)
    for pieces in (model.evaluate(X, Y), model.evaluate(X, Y, rows_per_request=3)):
        assert pieces.loss == pytest.approx(whole.loss, rel=1e-6)
        assert (pieces.accuracy, pieces.count, pieces.classes) == (whole.accuracy, whole.count, whole.classes)


def test_small_rows_in_great_number_fit_the_services_limit(model: Model) -> None:
    """70,000 rows of 4x4 are few bytes, but more rows than one request may have."""
    assert model.evaluate(np.zeros((70_000, 1, 4, 4), np.uint8), np.zeros(70_000, int)).count == 70_000
