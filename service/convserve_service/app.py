"""The Flask application: all parts are built here and passed on."""

import io
import uuid
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Request, Response, g

from convserve_model import Engine
from convserve_service import errors, logs
from convserve_service.endpoints import REGISTER
from convserve_service.models import Models
from convserve_service.service import Service
from convserve_service.settings import Settings

REQUEST_ID = "X-Request-Id"


class InMemoryRequest(Request):
    """Parts of a multipart body stay in memory, which the body's limit bounds: the root may be read-only."""

    def _get_file_stream(self, *args: Any, **kwargs: Any) -> io.BytesIO:
        return io.BytesIO()


def create_app(settings: Settings) -> Flask:
    """A worker's application on the data directory of `settings`; make it after any fork."""
    logs.configure()
    app = Flask("convserve_service", static_folder=None)
    app.request_class = InMemoryRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    app.url_map.merge_slashes = False
    service = Service(build_models(settings), Engine(settings.threads), settings)
    for register in REGISTER:
        register(app, service)
    errors.register(app)
    app.before_request(_start)
    app.after_request(_finish)
    return app


def build_models(settings: Settings) -> Models:
    """The models of the data directory, with the real clock."""
    return Models(settings.data_dir, clock=lambda: datetime.now(UTC), writers=settings.request_threads // 2)


def _start() -> None:
    g.request_id = uuid.uuid4().hex


def _finish(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.request_id
    return response
