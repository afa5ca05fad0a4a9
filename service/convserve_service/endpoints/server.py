"""Health and metadata of the server."""

from flask import Response

from convserve_service import replies, verbs
from convserve_service.release import VERSION
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.store.errors import StoreUnavailable

EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"]


def register(routes: Routes, service: Service) -> None:
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

    routes.add(verbs.SERVER, metadata)
    routes.add(verbs.LIVE, live)
    routes.add(verbs.READY, ready)
