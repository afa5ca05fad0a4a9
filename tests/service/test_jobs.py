"""Jobs: long trainings that commit as they go, can be watched and cancelled, and give the bits of the verb train."""

import json
import threading
import time
from itertools import pairwise
from typing import Any

import pytest
import requests

from tests.service.calls import call
from tests.service.specs import trained_with
from tests.service.stored import ended, file, train_body

ADAM = trained_with(optimizer={"name": "adam", "learning_rate": 0.01})
LONG = {"epochs": 100_000, "batch_size": 1}


@pytest.fixture
def model(server: str, name: str) -> str:
    """The address of a new SimpleCNN; a dataset has the same name."""
    call("PUT", f"{server}/v2/models/{name}", ADAM).raise_for_status()
    call("PUT", f"{server}/v2/datasets/{name}", file()).raise_for_status()
    return f"{server}/v2/models/{name}"


def fit(model: str, **options: Any) -> requests.Response:
    body = {"dataset": model.rsplit("/", 1)[1], **options}
    headers = {name: body.pop(name) for name in list(body) if name in ("Idempotency_Key", "If_Match")}
    return call("POST", f"{model}/fit", body, **headers)


def events(server: str, job: str, after: str = "0") -> list[dict[str, Any]]:
    """What one request for events tells: the data, with the id."""
    text = call("GET", f"{server}/v2/jobs/{job}/events", Last_Event_ID=after).text
    blocks = [dict(line.split(": ", 1) for line in block.split("\n")) for block in text.strip().split("\n\n")]
    return [{**json.loads(block["data"]), "id": block["id"]} for block in blocks if "data" in block]


def rows(model: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call("GET", f"{model}/versions").json()["versions"]
    return found


def committed(server: str, job: str, steps: int) -> None:
    """Wait until a job has committed so many steps."""
    end = time.monotonic() + 30
    while call("GET", f"{server}/v2/jobs/{job}").json()["step"] < steps:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_job_gives_the_bits_of_train(server: str, model: str, name: str) -> None:
    """The same rows, epochs, batches and seed: the same digest, however many commits it takes; and the same losses."""
    options = {"epochs": 3, "batch_size": 7, "shuffle_seed": 5}
    other = f"{server}/v2/models/{name}-t"
    call("PUT", other, ADAM)
    trained = call("POST", f"{other}/train", train_body(**options)).json()
    queued = fit(model, commit_every=4, **options)
    assert queued.status_code == 202
    assert queued.json()["state"] == "queued"
    assert queued.json()["steps"] == 18
    job = ended(server, queued.json()["job"])
    assert (job["state"], job["step"], job["seconds_left"], job["error"]) == ("succeeded", 18, 0.0, None)
    newest = rows(model)[0]
    assert newest["digest"] == trained["digest"]
    assert (newest["version"], newest["verb"], newest["step"]) == (job["model_version"], "fit", 18)
    assert len(rows(model)) == 6
    losses = [loss for event in events(server, job["job"]) for loss in event["losses"]]
    assert losses == pytest.approx(trained["outputs"][0]["data"], rel=1e-6)


def test_versions_of_a_job_say_how_they_were_made(server: str, model: str, name: str) -> None:
    """Dataset and digest, cursor, steps, batches, seed and overrides."""
    ended(server, fit(model, epochs=2, batch_size=20, commit_every=3, optimizer={"learning_rate": 0.5}).json()["job"])
    told = rows(model)[0]["hyperparameters"]
    digest = call("GET", f"{server}/v2/datasets").json()["datasets"]
    assert told["digest"] == next(row["digest"] for row in digest if row["name"] == name)
    assert (told["dataset"], told["done"], told["steps"], told["shuffle_seed"]) == (name, 3, 1, None)
    assert told["overrides"] == {"optimizer": {"learning_rate": 0.5}}


def test_events_go_on_after_the_last_one_seen(server: str, model: str) -> None:
    """Each with a number that grows; after the last one 204; the first block says how soon to reconnect."""
    job = fit(model, epochs=4, batch_size=40, commit_every=1).json()["job"]
    ended(server, job)
    seen = events(server, job)
    assert [event["step"] for event in seen] == [1, 2, 3, 4]
    assert [event["state"] for event in seen] == ["running"] * 3 + ["succeeded"]
    assert [event["step"] for event in events(server, job, after=seen[1]["id"])] == [3, 4]
    raw = call("GET", f"{server}/v2/jobs/{job}/events")
    assert raw.headers["Content-Type"].startswith("text/event-stream")
    assert raw.text.startswith("retry: 500\n\n")
    assert call("GET", f"{server}/v2/jobs/{job}/events", Last_Event_ID=seen[-1]["id"]).status_code == 204


def test_events_come_as_they_happen(server: str, model: str) -> None:
    """Who watches a job from its start hears of its end in the same request."""
    job = fit(model, epochs=300, batch_size=10, commit_every=200).json()["job"]
    assert events(server, job)[-1]["state"] == "succeeded"


def test_a_job_ends_when_it_is_cancelled(server: str, model: str) -> None:
    """At its next step; what it has committed stays, and so does a job that had ended."""
    job = fit(model, **LONG, commit_every=5).json()["job"]
    committed(server, job, 10)
    assert call("POST", f"{server}/v2/jobs/{job}/cancel").status_code == 200
    found = ended(server, job)
    assert found["state"] == "cancelled"
    assert rows(model)[0]["version"] == found["model_version"]
    assert rows(model)[0]["step"] == found["step"]
    assert call("POST", f"{server}/v2/jobs/{job}/cancel").json() == found


def test_a_job_that_waits_is_cancelled_at_once(server: str, model: str) -> None:
    """First come first served: the second one waits."""
    first, second = (fit(model, **LONG).json()["job"] for _ in range(2))
    assert call("POST", f"{server}/v2/jobs/{second}/cancel").json()["state"] == "cancelled"
    call("POST", f"{server}/v2/jobs/{first}/cancel")
    ended(server, first)


def test_deleting_the_model_cancels_its_jobs(server: str, model: str) -> None:
    job = fit(model, **LONG).json()["job"]
    assert call("DELETE", model).status_code == 200
    found = ended(server, job)
    assert (found["state"], found["error"]) == ("cancelled", "the model was deleted")


def test_a_step_that_is_not_finite_fails_the_job(server: str, model: str) -> None:
    """Nothing of its segment is published."""
    job = fit(model, epochs=50, optimizer={"learning_rate": 1e30}).json()["job"]
    found = ended(server, job)
    assert found["state"] == "failed"
    assert "smaller learning rate" in found["error"]
    assert all(row["loss"] is None or row["loss"] < 1e30 for row in rows(model))


def test_other_writers_go_between_commits(server: str, model: str) -> None:
    """A job goes on from the newest version, whoever made it; numbers have no gap."""
    job = fit(model, **LONG, commit_every=20).json()["job"]
    committed(server, job, 1)
    for _ in range(3):
        assert call("POST", f"{model}/train", train_body()).status_code == 200
    call("POST", f"{server}/v2/jobs/{job}/cancel")
    ended(server, job)
    history = rows(model)
    assert [int(row["version"]) for row in history] == list(range(len(history), 0, -1))
    assert {row["verb"] for row in history} == {"create", "train", "fit"}
    assert all(row["parent"] == older["version"] for row, older in pairwise(history))


def test_fit_takes_keys_and_conditions(server: str, model: str, key: str) -> None:
    """A repeat gets the stored reply and starts no second job; If-Match of an older version is 412."""
    first, again = (fit(model, Idempotency_Key=key) for _ in range(2))
    assert first.content == again.content
    assert (first.status_code, again.status_code) == (202, 202)
    ended(server, first.json()["job"])
    refused = fit(model, If_Match='"1"')
    assert (refused.status_code, refused.json()["code"]) == (412, "version_conflict")
    mine = [job for job in call("GET", f"{server}/v2/jobs?limit=1000").json()["jobs"] if job["model_name"] in model]
    assert len(mine) == 1


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "no such dataset": ({"dataset": "nothing"}, 404, "dataset_not_found"),
    "a name that is none": ({"dataset": "../x"}, 400, "invalid_request"),
    "no epochs": ({"epochs": 0}, 400, "invalid_request"),
    "an unknown member": ({"epoch": 1}, 400, "invalid_request"),
    "another family": ({"optimizer": {"name": "sgd"}}, 400, "does_not_fit"),
    "a bad number": ({"optimizer": {"learning_rate": "x"}}, 400, "does_not_fit"),
    "a seed below 0": ({"shuffle_seed": -1}, 400, "invalid_request"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_job_is_not_queued(model: str, bad: tuple[dict[str, Any], int, str]) -> None:
    reply = fit(model, **bad[0])
    assert (reply.status_code, reply.json()["code"]) == bad[1:]


def test_a_dataset_that_does_not_fit_is_told(server: str, name: str) -> None:
    """Rows of another shape, and labels out of range, before anything is queued."""
    call("PUT", f"{server}/v2/datasets/{name}", file())
    wide = {"input": [1, 5, 5], "layers": [{"type": "flatten"}, {"type": "linear", "out_features": 2}]}
    narrow = {"input": [1, 4, 4], "layers": [{"type": "flatten"}, {"type": "linear", "out_features": 1}]}
    for architecture, told in ((wide, "[N, 1, 5, 5]"), (narrow, "labels must be from 0 to 0")):
        call("PUT", f"{server}/v2/models/{name}", {"architecture": architecture})
        reply = call("POST", f"{server}/v2/models/{name}/fit", {"dataset": name})
        assert reply.status_code == 400
        assert told in reply.json()["error"]
        call("DELETE", f"{server}/v2/models/{name}")


@pytest.mark.parametrize("path", ["", "/events", "/cancel"])
@pytest.mark.parametrize("job", ["999999", "x", "٣"])
def test_an_unknown_job_is_404(server: str, job: str, path: str) -> None:
    reply = call("POST" if path == "/cancel" else "GET", f"{server}/v2/jobs/{job}{path}")
    assert (reply.status_code, reply.json()["code"]) == (404, "job_not_found")


def test_at_most_a_quarter_of_the_threads_stream(server: str, model: str) -> None:
    """Of six who watch at once on a worker of sixteen threads four are served, the others told to come back."""
    job = fit(model, **LONG).json()["job"]
    counts: list[int] = []

    def watch() -> None:
        with requests.get(f"{server}/v2/jobs/{job}/events", stream=True, timeout=30) as reply:
            counts.append(reply.status_code)
            together.wait()

    together = threading.Barrier(6)
    threads = [threading.Thread(target=watch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    call("POST", f"{server}/v2/jobs/{job}/cancel")
    ended(server, job)
    assert sorted(counts) == [200] * 4 + [503] * 2


def test_an_unloaded_model_takes_no_job(server: str, name: str, model: str) -> None:
    call("POST", f"{server}/v2/repository/models/{name}/unload")
    refused = fit(model)
    assert (refused.status_code, refused.json()["code"]) == (400, "model_unloaded")


def test_batch_norm_needs_more_than_one_row(server: str, name: str) -> None:
    """The last, smaller batch too: 40 rows in batches of 39 leave one."""
    layers = [{"type": "flatten"}, {"type": "linear", "out_features": 2}]
    norm = [{"type": "conv2d", "out_channels": 1, "kernel_size": 4}, {"type": "batch_norm2d"}, *layers]
    call("PUT", f"{server}/v2/models/{name}", {"architecture": {"input": [1, 4, 4], "layers": norm}})
    call("PUT", f"{server}/v2/datasets/{name}", file())
    reply = call("POST", f"{server}/v2/models/{name}/fit", {"dataset": name, "batch_size": 39})
    assert (reply.status_code, reply.json()["code"]) == (400, "does_not_fit")
