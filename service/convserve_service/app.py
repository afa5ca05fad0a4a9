"""The Flask application: all parts are built here and passed on."""

import io
from collections.abc import Callable
from typing import Any

from flask import Flask, Request

from convserve_model import Engine
from convserve_service import errors, logs
from convserve_service.admission import Admission
from convserve_service.auth import Gate
from convserve_service.datasets import Datasets
from convserve_service.endpoints import REGISTER
from convserve_service.jobs import Jobs
from convserve_service.models import Models
from convserve_service.rates import Rates
from convserve_service.reader import Reader
from convserve_service.room import Room
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.settings import Settings
from convserve_service.store.store import Store
from convserve_service.streams import Streams
from convserve_service.turns import Turns


class InMemoryRequest(Request):
    """Parts of a multipart body stay in memory, which the body's limit bounds: the root may be read-only."""

    def _get_file_stream(self, *args: Any, **kwargs: Any) -> io.BytesIO:
        return io.BytesIO()


def create_app(settings: Settings, *, draining: Callable[[], bool] = lambda: False) -> Flask:
    """A worker's application on the data directory of `settings`; make it after any fork.

    While `draining`, the server says that it is not ready: it will stop soon.
    """
    logs.configure()
    app = Flask("convserve_service", static_folder=None)
    app.request_class = InMemoryRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    app.url_map.merge_slashes = False
    store = Store.open(
        settings.data_dir, reply_hours=settings.idempotency_hours,
        most_bytes=settings.max_store, most_catalog=settings.max_catalog,
    )  # fmt: skip
    turns = Turns(store, settings.request_threads // 2)
    reader = Reader(store)
    models = Models(store, reader, turns, keep=settings.keep, most=settings.max_models)
    jobs = Jobs(store, models, turns, most=settings.max_jobs)
    room = Room(settings.max_memory)
    service = Service(
        store=store,
        reader=reader,
        models=models,
        datasets=Datasets(store, turns, most=settings.max_datasets),
        jobs=jobs,
        engine=Engine(settings.threads),
        streams=Streams(jobs, max(1, settings.request_threads // 4), draining),
        room=room,
        settings=settings,
        draining=draining,
    )
    routes = Routes(app)
    gate = Gate(store.catalog, open_without_keys=settings.insecure or settings.loopback)
    admission = Admission(routes.operations, gate, Rates(store.folder / "locks"), room)
    for register in REGISTER:
        register(routes, service)
    errors.register(app)
    app.before_request(admission.begin)
    app.after_request(admission.finish)
    return app
