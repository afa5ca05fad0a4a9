"""Health and metadata of the server."""

from flask import Flask, Response

from convserve_service import replies, routes
from convserve_service.release import VERSION
from convserve_service.service import Service
from convserve_service.store.errors import StoreUnavailable
from convserve_wire import paths

EXTENSIONS = ["binary_tensor_data", "classification", "model_repository"]


def register(app: Flask, service: Service) -> None:
    def metadata() -> Response:
        settings = service.settings
        limits = {"body_bytes": settings.max_body, "rows": settings.max_rows, "pixels": settings.max_pixels}
        members = {"name": "convserve", "version": VERSION, "extensions": EXTENSIONS, "limits": limits}
        return replies.json({**members, "idempotency_hours": settings.idempotency_hours})

    def live() -> Response:
        return replies.json({"live": True})

    def ready() -> Response:
        if service.draining():
            return replies.json({"ready": False, "reason": "the server is stopping"}, 503)
        try:
            reason = service.store.unwritable()
        except StoreUnavailable as error:
            return replies.json({"ready": False, "reason": str(error)}, 503)
        return replies.json({"ready": True, "writable": reason is None} | ({"reason": reason} if reason else {}))

    routes.add(app, "GET", paths.SERVER, metadata)
    routes.add(app, "GET", paths.LIVE, live)
    routes.add(app, "GET", paths.READY, ready)
