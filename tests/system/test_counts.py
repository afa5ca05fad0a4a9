"""Metrics and statistics of two workers: exact, whoever answers, also when one of them is killed meanwhile."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from tests.processes import children, command_name
from tests.servers import Server, serving
from tests.service.calls import batch, call
from tests.service.specs import SIMPLE_CNN
from tests.service.stored import ended, file
from tests.system.test_queue import held
from tests.system.workers import each, restart, workers

Samples = dict[tuple[str, ...], float]
ROUNDS, CONNECTIONS = 3, 6
CALLS: list[tuple[str, str, Any, int, int]] = [  # verb, model, body, images, status
    ("infer", "a", {"inputs": batch(3)["inputs"][:1]}, 3, 200),
    ("infer", "b", {"inputs": batch(1)["inputs"][:1]}, 1, 200),
    ("infer", "b", {"inputs": []}, 0, 400),
    ("infer", "nobody", {"inputs": []}, 0, 404),
    ("gradients", "a", batch(5), 5, 200),
    ("evaluate", "b", batch(4), 4, 200),
    ("explain", "b", {"inputs": batch(2)["inputs"][:1], "method": "saliency"}, 2, 200),
]


def samples(server: Server) -> Samples:
    """(name, sorted label values) -> value of everything that a scrape finds, by Prometheus' own parser."""
    text = call("GET", f"{server.url}/metrics").text
    return {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in prometheus(text)
        for sample in family.samples
    }


def hammer(server: Server, times: int) -> None:
    """Every one of CALLS so often, over several connections."""

    def one(at: int) -> None:
        verb, model, body, _, status = CALLS[at % len(CALLS)]
        assert call("POST", f"{server.url}/v2/models/{model}/{verb}", body).status_code == status

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(one, range(times * len(CALLS))))


def test_counts_are_exact_over_workers_and_deaths(tmp_path: Path) -> None:
    """Known numbers of requests by verb and model, a worker killed after each round: every sum, from every worker."""
    times = 20
    with serving(tmp_path, "--workers", "2") as server:
        for model in "ab":
            call("PUT", f"{server.url}/v2/models/{model}", SIMPLE_CNN).raise_for_status()
        for _ in range(ROUNDS):
            hammer(server, times)
            victim = workers(server, 2)[0]
            os.kill(victim, signal.SIGKILL)
            while victim in workers(server, 2):
                time.sleep(0.02)
        expected: Samples = {}
        for verb, model, _, images, status in CALLS:
            key = ("convserve_requests_total", f"status={status}", f"verb={verb}")
            expected[key] = expected.get(key, 0) + ROUNDS * times
            for name, amount in (("convserve_model_requests_total", 1), ("convserve_images_total", images)):
                if images:
                    key = (name, f"model={model}", f"verb={verb}")
                    expected[key] = expected.get(key, 0) + ROUNDS * times * amount
        expected["convserve_batch_images_sum", "verb=infer"] = ROUNDS * times * 4
        expected["convserve_request_seconds_count", "verb=infer"] = ROUNDS * times * 4
        expected["convserve_batch_images_bucket", "le=1.0", "verb=infer"] = ROUNDS * times
        for _ in each(server, 2):
            found = samples(server)
            assert {key: found.get(key) for key in expected} == expected
            assert not [key for key in found if "model=nobody" in key]
            stats = call("GET", f"{server.url}/v2/models/stats").json()["model_stats"]
            counts = {entry["name"]: (entry["inference_count"], entry["execution_count"]) for entry in stats}
            assert counts == {"a": (ROUNDS * times * 3, ROUNDS * times), "b": (ROUNDS * times, ROUNDS * times)}
            assert [entry["inference_stats"]["fail"]["count"] for entry in stats] == [0, ROUNDS * times]


def test_gauges_are_about_now(tmp_path: Path) -> None:
    """One writer has its turn and two wait; a killed worker takes its own with it."""
    with serving(tmp_path, "--workers", "2") as server:
        url = f"{server.url}/v2/models/m"
        call("PUT", url, SIMPLE_CNN).raise_for_status()

        def writers() -> tuple[float, float, float]:
            found = samples(server)
            names = ("requests_in_flight", "writers_waiting", "writers")
            one, two, three = (found[(f"convserve_{name}",)] for name in names)
            return one, two, three

        def until(expected: tuple[float, float, float]) -> None:
            end = time.monotonic() + 10
            while writers() != expected:
                assert time.monotonic() < end, writers()
                time.sleep(0.02)

        with ThreadPoolExecutor(2) as pool:
            with held(server, "m"):
                asked = [pool.submit(call, "POST", f"{url}/train", batch()) for _ in range(2)]
                until((3, 2, 0))
            assert [reply.result().status_code for reply in asked] == [200, 200]
            until((1, 0, 0))
            with held(server, "m"):
                asked = [pool.submit(call, "POST", f"{url}/train", batch()) for _ in range(2)]
                until((3, 2, 0))
                restart(server, 2)
                until((1, 0, 0))
            assert all(reply.exception() for reply in asked)


def test_a_job_counts_too(tmp_path: Path) -> None:
    """Its images by their rows, a smaller last batch as it is, also when its process dies; its model's age and loss."""
    with serving(tmp_path) as server:
        url = f"{server.url}/v2/models/m"
        call("PUT", url, SIMPLE_CNN).raise_for_status()
        call("PUT", f"{server.url}/v2/datasets/d", file()).raise_for_status()
        for _ in range(2):
            body = {"dataset": "d", "epochs": 3, "batch_size": 16, "commit_every": 2}
            job = call("POST", f"{url}/fit", body).json()["job"]
            done = ended(server.url, job)
            assert done["state"] == "succeeded"
            (trainer,) = [pid for pid in children(server.process.pid) if command_name(pid) == "convserve-jobs"]
            os.kill(trainer, signal.SIGKILL)
        found = samples(server)
        assert found["convserve_images_total", "model=m", "verb=fit"] == 2 * 3 * 40
        assert ("convserve_model_requests_total", "model=m", "verb=fit") not in found
        assert found["convserve_jobs", "state=succeeded"] == 2
        assert found["convserve_jobs", "state=running"] == 0
        assert found["convserve_model_version", "model=m"] == int(done["model_version"])
        assert found["convserve_model_loss", "model=m"] == pytest.approx(done["loss"])
        assert 0 <= found["convserve_model_age_seconds", "model=m"] < 60
        size = sum(path.stat().st_size for path in (tmp_path / "blobs").iterdir())
        assert found[("convserve_store_bytes",)] == size
        assert abs(found[("convserve_start_time_seconds",)] - time.time()) < 120
        call("DELETE", url).raise_for_status()
        assert not [key for key in samples(server) if "model=m" in key]


def test_metrics_speak_both_forms(server: str) -> None:
    """OpenMetrics to who asks for it, Prometheus' text to all others; each by the parser of its own."""
    plain = call("GET", f"{server}/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=")
    modern = call("GET", f"{server}/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert modern.headers["Content-Type"].startswith("application/openmetrics-text")
    names, others = ({family.name for family in found} for found in (prometheus(plain.text), openmetrics(modern.text)))
    assert names == others >= {"convserve_requests", "convserve_request_seconds", "convserve_jobs"}


def test_who_streams_is_in_flight(tmp_path: Path) -> None:
    """Until the stream has ended."""
    with serving(tmp_path) as server:
        call("PUT", f"{server.url}/v2/models/m", SIMPLE_CNN).raise_for_status()
        call("PUT", f"{server.url}/v2/datasets/d", file()).raise_for_status()
        job = call("POST", f"{server.url}/v2/models/m/fit", {"dataset": "d", "epochs": 100_000}).json()["job"]
        thread = threading.Thread(target=call, args=("GET", f"{server.url}/v2/jobs/{job}/events"))
        thread.start()
        end = time.monotonic() + 5
        while samples(server)[("convserve_requests_in_flight",)] != 2:
            assert time.monotonic() < end
            time.sleep(0.02)
        call("POST", f"{server.url}/v2/jobs/{job}/cancel").raise_for_status()
        thread.join()
        while samples(server)[("convserve_requests_in_flight",)] != 1:
            assert time.monotonic() < end + 5
            time.sleep(0.02)


def test_waiting_for_a_thread_is_told(tmp_path: Path) -> None:
    """Both threads are busy, one with a writer that waits and one with a stream: the queue's time is the request's."""
    with serving(tmp_path, "--request-threads", "2") as server:
        for model in ("m", "j"):
            call("PUT", f"{server.url}/v2/models/{model}", SIMPLE_CNN).raise_for_status()
        call("PUT", f"{server.url}/v2/datasets/d", file()).raise_for_status()
        job = call("POST", f"{server.url}/v2/models/j/fit", {"dataset": "d", "epochs": 100_000}).json()["job"]
        with ThreadPoolExecutor(3) as pool:
            stream = pool.submit(call, "GET", f"{server.url}/v2/jobs/{job}/events")
            with held(server, "m"):
                writer = pool.submit(call, "POST", f"{server.url}/v2/models/m/train", batch())
                time.sleep(0.3)
                asked = pool.submit(call, "POST", f"{server.url}/v2/models/m/infer", CALLS[0][2])
                time.sleep(0.7)
                assert not asked.done()
            assert [one.result().status_code for one in (writer, asked)] == [200, 200]
            call("POST", f"{server.url}/v2/jobs/{job}/cancel").raise_for_status()
            stream.result()
        stats = call("GET", f"{server.url}/v2/models/m/stats").json()["model_stats"]
        queue = sum(entry["inference_stats"]["queue"]["ns"] for entry in stats)
        success = sum(entry["inference_stats"]["success"]["ns"] for entry in stats)
        assert 0.6e9 < queue < success
        assert samples(server)[("convserve_queue_seconds_total",)] > 0.6
