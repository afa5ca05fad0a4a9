"""The client against a real service: every verb, as the README shows them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convserve_client import Client, Conflict, Invalid, Model, NotFound, PreconditionFailed
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


def test_long_evaluations_go_in_pieces(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts add up and the loss is the mean over all rows, on one version."""
    whole = model.evaluate(X, Y)
    monkeypatch.setattr("convserve_client.model.EVALUATE_BYTES", 7 * X[:1].nbytes)
    pieces = model.evaluate(X, Y)
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-6)
    assert (pieces.accuracy, pieces.count, pieces.classes) == (whole.accuracy, whole.count, whole.classes)
