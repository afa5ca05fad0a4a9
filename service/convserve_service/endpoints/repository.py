"""V2's model repository: which models there are, loading and unloading."""

from flask import Flask, Response

from convserve_service import replies, routes
from convserve_service.service import Service
from convserve_wire import paths
from convserve_wire.names import check_name


def register(app: Flask, service: Service) -> None:
    def index() -> Response:
        entries = []
        for row in service.models.all():
            newest = service.models.versions(row.name, 1)
            entries.append(
                {
                    "name": row.name,
                    "version": str(newest[0].version) if newest else "",
                    "state": "READY" if row.loaded else "UNAVAILABLE",
                    "reason": "" if row.loaded else "unloaded",
                }
            )
        return replies.json(entries)

    def load(model: str) -> Response:
        service.models.set_loaded(check_name(model), True)
        return replies.json({})

    def unload(model: str) -> Response:
        service.models.set_loaded(check_name(model), False)
        return replies.json({})

    routes.add(app, "POST", paths.INDEX, index)
    routes.add(app, "POST", paths.LOAD, load)
    routes.add(app, "POST", paths.UNLOAD, unload)
