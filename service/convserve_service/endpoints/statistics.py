"""Triton's statistics, and metrics for Prometheus."""

from flask import Response, request

from convserve_service import replies, verbs
from convserve_service.counting.statistics import statistics
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_wire.names import check_name
from convserve_wire.replies import Statistics


def register(routes: Routes, service: Service) -> None:
    reader, tallies = service.reader, service.tallies

    def of_model(model: str, version: str | None = None) -> Response:
        newest = reader.rows(check_name(model), version)[1].version
        versions = reader.numbers(model, newest) if version is None else [newest]
        return replies.json(Statistics(model_stats=statistics(tallies, model, versions, newest)))

    def of_all() -> Response:
        every = [
            entry
            for row, newest in reader.all()
            if newest is not None
            for entry in statistics(tallies, row.name, reader.numbers(row.name, newest), newest)
        ]
        return replies.json(Statistics(model_stats=every))

    def metrics() -> Response:
        from convserve_service.counting.exposition import Exposition  # a service that nobody scrapes need not load it

        text, media_type = Exposition(tallies, service.store).write(request.headers.get("Accept", ""))
        return Response(text, content_type=media_type)

    routes.add(verbs.STATISTICS, of_model)
    routes.add(verbs.ALL_STATISTICS, of_all)
    routes.add(verbs.METRICS, metrics)
