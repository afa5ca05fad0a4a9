"""Health and metadata of the server."""

from flask import Response

from convserve_service import replies, verbs
from convserve_service.errors import RETRY_SECONDS
from convserve_service.release import VERSION
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.store.errors import StoreUnavailable
from convserve_wire.replies import Alive, Limits, Readiness, Server

EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"]


def register(routes: Routes, service: Service) -> None:
    def metadata() -> Response:
        settings = service.settings
        members: Server = {
            "name": "convserve",
            "version": VERSION,
            "extensions": EXTENSIONS,
            "limits": Limits(body_bytes=settings.max_body, rows=settings.max_rows, pixels=settings.max_pixels),
            "idempotency_hours": settings.idempotency_hours,
        }
        return replies.json(members)

    def live() -> Response:
        return replies.json(Alive(live=True))

    def ready() -> Response:
        if service.draining():
            return not_ready("the server is stopping")
        try:
            reason = service.store.unwritable()
        except StoreUnavailable as error:
            return not_ready(str(error))
        writable = Readiness(ready=True, writable=reason is None)
        return replies.json(writable if reason is None else {**writable, "reason": reason})

    def not_ready(reason: str) -> Response:
        response = replies.json(Readiness(ready=False, reason=reason), 503)
        response.headers["Retry-After"] = str(RETRY_SECONDS)
        return response

    routes.add(verbs.SERVER, metadata)
    routes.add(verbs.LIVE, live)
    routes.add(verbs.READY, ready)
