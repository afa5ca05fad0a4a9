"""Datasets and jobs against a real service: what a fit does, tells, survives and refuses."""

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from convserve_client import Client, Conflict, ConvserveError, Job, JobFailed, Model, NotFound, PreconditionFailed
from tests.servers import serving

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (50, 1, 4, 4), np.uint8)
Y = np.arange(50) % 2
SGD = {"optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}}


@pytest.fixture
def client(server: str) -> Client:
    return Client(server)


@pytest.fixture
def model(client: Client, name: str) -> Model:
    return client.create(name, "simple-cnn", training=SGD)


@pytest.fixture
def dataset(client: Client, name: str) -> str:
    """The name of a stored dataset of X and Y."""
    return client.put_dataset(f"{name}-data", X, Y).name


def test_a_fit_is_the_training_of_the_same_rows(client: Client, name: str) -> None:
    """In many versions or in one request: the same steps, losses and digests, bit for bit."""
    fitted, trained = (client.create(f"{name}-{i}", "simple-cnn", training=SGD) for i in range(2))
    options = {"epochs": 3, "batch_size": 8, "shuffle_seed": 5}
    made = fitted.fit(X, Y, **options, commit_every=4, progress=False)
    expected = trained.train(X, Y, **options)
    assert (made.step, made.digest, made.weights_digest) == (21, expected.digest, expected.weights_digest)
    assert np.array_equal(made.losses, expected.losses)
    assert made.version == fitted.versions()[0].version > 5
    assert {row.verb for row in fitted.versions()} == {"fit", "create"}


def test_overrides_arrive(client: Client, name: str, dataset: str) -> None:
    """Those of train, with the same effect."""
    fitted, trained = (client.create(f"{name}-{i}", "simple-cnn", training=SGD) for i in range(2))
    changed = {"optimizer": {"learning_rate": 0.01}, "clip_grad_norm": 0.5}
    made = fitted.fit(dataset=dataset, batch_size=16, **changed, progress=False)
    assert made.digest == trained.train(X, Y, batch_size=16, **changed).digest


def test_progress_is_told_in_order_up_to_all_images(model: Model) -> None:
    """After each commit, in images; batches of 8 of 50 rows end each epoch with one of 2."""
    seen: list[tuple[int, int, float]] = []
    made = model.fit(X, Y, epochs=2, batch_size=8, commit_every=1, progress=lambda *told: seen.append(told))
    done = [8, 16, 24, 32, 40, 48, 50, 58, 66, 74, 82, 90, 98, 100]
    assert [(images, total) for images, total, _ in seen] == [(images, 100) for images in done]
    assert np.array_equal(np.array([loss for *_, loss in seen], np.float32), made.losses)


def test_progress_is_a_bar(model: Model, dataset: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without being asked for; the rows of a stored dataset are known."""
    model.fit(dataset=dataset, epochs=2)
    assert "100/100" in capsys.readouterr().err


def test_a_job_goes_on_by_itself(client: Client, model: Model, dataset: str) -> None:
    """Its number is all that one needs: status, list, events from the start, the result."""
    job = model.fit(dataset=dataset, epochs=4, batch_size=10, commit_every=5, wait=False)
    assert isinstance(job, Job)
    seen: list[tuple[int, int]] = []
    done = client.job(job.number).wait(progress=lambda step, steps, loss: seen.append((step, steps)))
    assert (done.state, done.model_name, done.dataset, done.finished) == ("succeeded", model.name, dataset, True)
    assert (done.step, done.steps, done.epochs, done.error) == (20, 20, 4, None)
    assert seen == sorted(set(seen))
    assert seen[-1] == (20, 20)
    assert done.model_version == model.versions()[0].version
    assert client.job(job.number).status().state == "succeeded"
    assert job.number in [status.job for status in client.jobs()]
    for _ in range(2):
        told = [status for status in job.events() if len(status.losses)]
        assert np.array_equal(np.concatenate([status.losses for status in told]), done.losses)
        assert [status.step for status in told] == np.cumsum([len(status.losses) for status in told]).tolist()


def test_a_cancelled_job_keeps_what_it_committed(client: Client, model: Model, dataset: str) -> None:
    """It ends within a step; `wait` returns it, with a loss for each step that counts."""
    job = model.fit(dataset=dataset, epochs=1000, batch_size=1, commit_every=1, wait=False)
    next(job.events())
    assert job.cancel().state in ("running", "cancelled")
    done = job.wait()
    assert (done.state, done.finished) == ("cancelled", True)
    assert 0 < done.step < done.steps
    assert done.losses.shape == (done.step,)
    assert np.isfinite(done.losses).all()
    assert model.versions()[0].version == done.model_version
    assert model.versions()[0].step == done.step


def test_a_dataset_comes_back(client: Client, name: str) -> None:
    """Bytes, floats, classes and numbers, as they were stored; it is listed until it is deleted."""
    rows = [(X, Y), (RNG.random((5, 3, 2, 2), np.float32), RNG.random((5, 2), np.float32))]
    for at, (x, y) in enumerate(rows):
        stored = client.put_dataset(f"{name}-{at}", x, y)
        assert (stored.name, stored.rows) == (f"{name}-{at}", len(x))
        assert stored.digest.startswith("sha256:")
        assert stored in client.datasets()
        for got, expected in zip(client.dataset(stored.name), (x, y), strict=True):
            assert got.dtype == expected.dtype
            assert np.array_equal(got, expected)
        client.delete_dataset(stored.name)
        assert stored not in client.datasets()


def test_a_dataset_is_what_it_is(client: Client, dataset: str) -> None:
    """The same rows again are the same dataset; others need another name."""
    (stored,) = [found for found in client.datasets() if found.name == dataset]
    assert client.put_dataset(dataset, X, Y) == stored
    with pytest.raises(Conflict) as caught:
        client.put_dataset(dataset, X, 1 - Y)
    assert caught.value.code == "dataset_exists"
    assert np.array_equal(client.dataset(dataset)[1], Y)


def test_the_same_rows_are_stored_once(client: Client, model: Model) -> None:
    """Under a name that follows from their bytes."""
    before = {found.name for found in client.datasets()}
    rows = RNG.integers(0, 256, (9, 1, 4, 4), np.uint8)
    for _ in range(2):
        model.fit(rows, Y[:9], progress=False)
    (added,) = {found for found in client.datasets() if found.name not in before}
    assert added.name == f"fit-{added.digest.removeprefix('sha256:')[:32]}"


def test_a_dataset_in_use_cannot_be_deleted(client: Client, model: Model, dataset: str) -> None:
    """While a job is queued or running."""
    job = model.fit(dataset=dataset, epochs=1000, batch_size=1, wait=False)
    with pytest.raises(Conflict) as caught:
        client.delete_dataset(dataset)
    assert caught.value.code == "dataset_in_use"
    job.cancel()
    job.wait()
    client.delete_dataset(dataset)


def test_what_is_not_there(client: Client, model: Model, name: str) -> None:
    """404, each with a code of its own."""
    for call, code in (
        (lambda: client.dataset(name), "dataset_not_found"),
        (lambda: client.delete_dataset(name), "dataset_not_found"),
        (lambda: model.fit(dataset=name), "dataset_not_found"),
        (lambda: client.job(10**9).status(), "job_not_found"),
        (lambda: client.job(10**9).wait(), "job_not_found"),
        (lambda: client.job(10**9).cancel(), "job_not_found"),
    ):
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.code == code


def test_a_job_that_diverges_fails(model: Model) -> None:
    """With the service's reason; nothing that is not finite is published."""
    with pytest.raises(JobFailed) as caught:
        model.fit(X, Y, epochs=5, batch_size=8, optimizer={"learning_rate": 1e30}, progress=False)
    assert caught.value.job.state == "failed"
    assert caught.value.error
    assert caught.value.error in str(caught.value)
    assert all(np.isfinite(array).all() for array in model.weights().values())


def test_a_fit_needs_rows_from_one_place(model: Model) -> None:
    """x and y, or a dataset; nothing is sent otherwise."""
    for given in ({}, {"x": X}, {"y": Y}, {"x": X, "y": Y, "dataset": "d"}, {"x": X, "dataset": "d"}):
        with pytest.raises(ConvserveError, match="one of the two"):
            model.fit(**given)


def test_a_fit_is_a_write_as_any_other(model: Model, dataset: str, key: str) -> None:
    """If-Match holds at its start; the same call under the same key is the same job."""
    with pytest.raises(PreconditionFailed):
        model.fit(dataset=dataset, if_match=7)
    made = [model.fit(dataset=dataset, if_match=1, idempotency_key=key, progress=False) for _ in range(2)]
    assert made[0].version == made[1].version == 2
    assert np.array_equal(made[0].losses, made[1].losses)


def test_ctrl_c_leaves_the_job_running(model: Model, dataset: str) -> None:
    """It ends the waiting, and says how to end the job."""

    def interrupt(done: int, total: int, loss: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"client\.job\(\d+\)\.cancel\(\)"):
        model.fit(dataset=dataset, epochs=2, batch_size=10, commit_every=1, progress=interrupt)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_a_fit_survives_a_restart_of_the_service(tmp_path: Path) -> None:
    """kill -9 in the middle: the same call goes on, every loss is there once, and the bits are those of train."""
    options = {"epochs": 100, "batch_size": 1, "shuffle_seed": 2}
    port = str(free_port())
    begun = Event()
    seen: list[int] = []

    def progress(done: int, total: int, loss: float) -> None:
        seen.append(done)
        begun.set()

    with ThreadPoolExecutor(1) as thread:
        with serving(tmp_path, "--port", port) as first:
            fitted = Client(first.url).create("fitted", "simple-cnn", training=SGD)
            made = thread.submit(fitted.fit, X, Y, **options, commit_every=50, progress=progress)
            assert begun.wait(30)
            os.killpg(first.process.pid, signal.SIGKILL)
            first.process.wait()
            assert not made.done()
        with serving(tmp_path, "--port", port) as second:
            assert second.url == first.url
            result = made.result(120)
            expected = Client(second.url).create("trained", "simple-cnn", training=SGD).train(X, Y, **options)
    assert (result.step, result.digest) == (5000, expected.digest)
    assert np.array_equal(result.losses, expected.losses)
    assert seen == sorted(set(seen))
    assert seen[-1] == 5000
