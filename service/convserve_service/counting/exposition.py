"""Metrics as Prometheus and OpenMetrics write them: sums over all processes, and what the catalog and the disk say."""

import os
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from convserve_service.counting import rows
from convserve_service.counting.tallies import CELLS, GAUGE, Tallies
from convserve_service.release import VERSION
from convserve_service.store.errors import StoreUnavailable
from convserve_service.store.records import CANCELLED, FAILED, QUEUED, RUNNING, SUCCEEDED
from convserve_service.store.store import Store

JOB_STATES = (QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED)
GAUGES = {
    rows.IN_FLIGHT: ("convserve_requests_in_flight", "Requests that are being answered"),
    rows.WRITERS_WAITING: ("convserve_writers_waiting", "Writers that wait for their turn on a model or dataset"),
    rows.WRITERS: ("convserve_writers", "Writers that have their turn"),
}


class Exposition:
    """What a scrape finds."""

    def __init__(self, tallies: Tallies, store: Store) -> None:
        self._tallies = tallies
        self._store = store

    def write(self, accept: str) -> tuple[bytes, str]:
        """(text, its media type), in the format that the scraper prefers."""
        encode, media_type = choose_encoder(accept)
        return encode(self), media_type

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks a registry for."""
        yield from self._requests()
        yield from self._gauges()
        try:
            models = self._store.catalog.newest()
            jobs = self._store.catalog.job_states()
        except StoreUnavailable:  # what is counted is told all the same
            return
        yield from self._models([name for name, *_ in models])
        yield from self._newest(models)
        waiting = GaugeMetricFamily("convserve_jobs", "Jobs by state", labels=["state"])
        for state in JOB_STATES:
            waiting.add_metric([state], jobs.get(state, 0))
        yield waiting

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("convserve_requests", "Requests by verb and status", labels=["verb", "status"])
        for (_, verb, status), cells in sorted(self._tallies.read(rows.REQUESTS).items()):
            requests.add_metric([verb, status], cells[rows.COUNT])
        yield requests
        yield self._histogram(
            "convserve_request_seconds", "Time from a request to its reply, by verb", rows.SECONDS,
            rows.SECONDS_UP_TO, 1e-9,
        )  # fmt: skip
        yield self._histogram(
            "convserve_batch_images", "Images of a request that succeeded, by verb", rows.BATCH, rows.IMAGES_UP_TO, 1
        )
        waited = self._tallies.read(rows.WAITED).get((rows.WAITED,), [0] * CELLS)
        yield CounterMetricFamily(
            "convserve_queue_seconds", "Time that requests waited for a thread", value=waited[rows.SUM] * 1e-9
        )
        yield CounterMetricFamily(
            "convserve_uncounted",
            "What was not counted for a model, for there were too many",
            self._tallies.uncounted(),
        )

    def _histogram(self, name: str, what: str, kind: str, bounds: tuple[float, ...], scale: float) -> Metric:
        family = HistogramMetricFamily(name, what, labels=["verb"])
        for (_, verb), cells in sorted(self._tallies.read(kind).items()):
            counts = accumulate(cells[rows.FIRST : rows.FIRST + len(bounds) + 1])
            names = [*map(str, map(float, bounds)), "+Inf"]
            family.add_metric([verb], list(zip(names, counts, strict=True)), cells[rows.SUM] * scale)
        return family

    def _gauges(self) -> Iterator[Metric]:
        found = self._tallies.read(GAUGE)
        for key, (name, what) in GAUGES.items():
            yield GaugeMetricFamily(name, what, found.get(key, [0] * CELLS)[rows.COUNT])
        yield GaugeMetricFamily("convserve_start_time_seconds", "When the server started", self._tallies.started)
        sizes, free = self._disk()
        yield GaugeMetricFamily("convserve_store_bytes", "Size of the states and datasets that are kept", sizes)
        yield GaugeMetricFamily("convserve_store_free_bytes", "What the disk of the store still takes", free)
        release = GaugeMetricFamily("convserve_info", "The release that runs", labels=["version"])
        release.add_metric([VERSION], 1)
        yield release

    def _models(self, names: list[str]) -> Iterator[Metric]:
        """Of models that are there."""
        labels = ["model", "verb"]
        requests = CounterMetricFamily("convserve_model_requests", "Requests with images that succeeded", labels=labels)
        images = CounterMetricFamily("convserve_images", "Images that went through a model", labels=labels)
        found = self._tallies.read(rows.MODEL)
        for (_, model, verb), cells in sorted(found.items()):
            if model in names:
                if cells[rows.COUNT]:  # a job makes no requests
                    requests.add_metric([model, verb], cells[rows.COUNT])
                images.add_metric([model, verb], cells[rows.IMAGES])
        yield requests
        yield images

    def _newest(self, models: list[tuple[str, int, str, float | None]]) -> Iterator[Metric]:
        version = GaugeMetricFamily("convserve_model_version", "The newest version's number", labels=["model"])
        age = GaugeMetricFamily("convserve_model_age_seconds", "Since the newest version was made", labels=["model"])
        loss = GaugeMetricFamily("convserve_model_loss", "The newest version's last loss", labels=["model"])
        now = self._store.clock()
        for name, number, created, value in models:
            version.add_metric([name], number)
            age.add_metric([name], max(0.0, (now - datetime.fromisoformat(created)).total_seconds()))
            if value is not None:
                loss.add_metric([name], value)
        yield from (version, age, loss)

    def _disk(self) -> tuple[float, float]:
        """(bytes of the store, bytes that are free)."""
        folder = self._store.folder
        disk = os.statvfs(folder)
        return self._store.blobs.size(), float(disk.f_bavail * disk.f_frsize)
