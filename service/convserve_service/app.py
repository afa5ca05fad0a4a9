"""The Flask application: all parts are built here and passed on."""

import uuid
from collections.abc import Callable

from flask import Flask, Response, g

from convserve_model import Engine
from convserve_service import errors, logs
from convserve_service.application import Application
from convserve_service.datasets import Datasets
from convserve_service.endpoints import REGISTER
from convserve_service.jobs import Jobs
from convserve_service.models import Models
from convserve_service.reader import Reader
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.settings import Settings
from convserve_service.store.store import Store
from convserve_service.streams import Streams
from convserve_service.turns import Turns

REQUEST_ID = "X-Request-Id"
DEGRADED = "Convserve-Degraded"


def create_app(settings: Settings, *, draining: Callable[[], bool] = lambda: False) -> Flask:
    """A worker's application on the data directory of `settings`; make it after any fork.

    While `draining`, the server says that it is not ready: it will stop soon.
    """
    logs.configure()
    app = Application("convserve_service", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    app.url_map.merge_slashes = False
    store = Store.open(settings.data_dir, reply_hours=settings.idempotency_hours)
    turns = Turns(store, settings.request_threads // 2)
    reader = Reader(store)
    models = Models(store, reader, turns, keep=settings.keep, most=settings.max_models)
    jobs = Jobs(store, models, turns, most=settings.max_jobs)
    service = Service(
        store=store,
        reader=reader,
        models=models,
        datasets=Datasets(store, turns, most=settings.max_datasets),
        jobs=jobs,
        engine=Engine(settings.threads),
        streams=Streams(jobs, max(1, settings.request_threads // 4), draining),
        settings=settings,
        draining=draining,
    )
    routes = Routes(app)
    for register in REGISTER:
        register(routes, service)
    errors.register(app)
    app.before_request(_start)
    app.after_request(_finish)
    return app


def _start() -> None:
    g.request_id = uuid.uuid4().hex


def _finish(response: Response) -> Response:
    if "degraded" in g:
        response.headers[DEGRADED] = str(g.degraded)
    response.headers[REQUEST_ID] = g.request_id
    return response
