"""The Flask application: all parts are built here and passed on."""

from collections.abc import Callable
from functools import partial

from flask import Flask

from convserve_model import Engine
from convserve_service import errors
from convserve_service.admission import Admission
from convserve_service.application import Application
from convserve_service.auth import Gate
from convserve_service.counting import rows
from convserve_service.counting.observer import Observer
from convserve_service.counting.tallies import Tallies
from convserve_service.datasets import Datasets
from convserve_service.endpoints import REGISTER
from convserve_service.jobs import Jobs
from convserve_service.logs import log
from convserve_service.models import Models
from convserve_service.opening import opened
from convserve_service.rates import Rates
from convserve_service.reader import Reader
from convserve_service.room import Room
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.settings import Settings
from convserve_service.streams import Streams
from convserve_service.turns import Turns


def create_app(
    settings: Settings, *, draining: Callable[[], bool] = lambda: False, tallies: Tallies | None = None
) -> Flask:
    """A worker's application on the data directory of `settings`; make it after any fork.

    While `draining`, the server says that it is not ready: it will stop soon. `tallies` are those of all workers.
    """
    log.configure(settings.log_format)
    tallies = tallies or Tallies()
    app = Application("convserve_service", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    app.url_map.merge_slashes = False
    store = opened(settings)
    tallies.stale = partial(rows.unneeded, store.catalog)
    turns = Turns(
        store,
        settings.request_threads // 2,
        waiting=partial(rows.told, tallies, rows.WRITERS_WAITING),
        writing=partial(rows.told, tallies, rows.WRITERS),
    )
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
        tallies=tallies,
    )
    routes = Routes(app)
    gate = Gate(store.catalog, open_without_keys=settings.insecure or settings.loopback)
    admission = Admission(routes.operations, gate, Rates(store.folder / "locks"), room, local=not settings.insecure)
    for register in REGISTER:
        register(routes, service)
    errors.register(app)
    observer = Observer(tallies, routes.operations, access=settings.access_log)
    app.before_request(observer.begin)
    app.before_request(admission.begin)
    app.after_request(admission.finish)
    app.after_request(observer.finish)
    return app
