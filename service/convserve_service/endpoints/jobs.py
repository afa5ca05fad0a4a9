"""Long trainings: queue one, look at it, watch it, cancel it."""

from flask import Response, request

from convserve_service import operands, replies, verbs
from convserve_service.body import Body, if_match, refuse_if_match
from convserve_service.errors import RequestError
from convserve_service.jobs import Plan
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.store.catalog import NUMBERS
from convserve_service.store.records import JobRow, Key, Reply
from convserve_service.store.schema import shown_job
from convserve_service.writes import writing
from convserve_wire.messages import FitRequest, parse
from convserve_wire.names import check_name
from convserve_wire.numbers import whole
from convserve_wire.replies import Jobs


def register(routes: Routes, service: Service) -> None:
    def fit(body: Body, key: Key | None, model: str) -> Reply:
        message = parse(FitRequest, body.data)
        live = service.live(model, None)
        dataset = service.datasets.find(check_name(message.dataset, "dataset"))
        x, y = service.datasets.arrays(dataset)
        spec = live.specification
        operands.rows(live, x[:1], 1)
        training = operands.training(spec.training, message)
        service.engine.check_targets(spec.network, training, y, len(x), message.batch_size)
        size = service.engine.footprint(spec.network, min(message.batch_size, len(x)), backward=True, train=True)
        service.room.check(size, f"steps of {message.batch_size} rows")
        plan = Plan(
            dataset.name, dataset.digest, len(x), message.epochs, message.batch_size, message.shuffle_seed,
            message.commit_every, operands.overrides(message),
        )  # fmt: skip
        expected = if_match(request)
        return service.jobs.add(live.row, plan, key=key, if_match=expected, reply=lambda job: _reply(job, 202))

    def index() -> Response:
        limit, before = operands.number(request, "limit", 1000), operands.number(request, "before", NUMBERS - 1)
        found = service.jobs.all(limit or 100, before or NUMBERS)
        return replies.json(Jobs(jobs=[shown_job(job) for job in found]))

    def get(job: str) -> Response:
        return replies.json(shown_job(service.jobs.find(job)))

    def cancel(body: Body, key: Key | None, job: str) -> Reply:
        refuse_if_match(request)
        return service.jobs.cancel(job, key=key, reply=_reply)

    def events(job: str) -> Response:
        last = request.headers.get("Last-Event-ID", "0")
        after = whole(last)
        if after is None:
            raise RequestError(f"Last-Event-ID is {last[:40]!r}, but it must be the id of an event", "Last-Event-ID")
        return service.streams.events(service.jobs.find(job), after)

    routes.add(verbs.FIT, writing(service, fit))
    routes.add(verbs.JOBS, index)
    routes.add(verbs.JOB, get)
    routes.add(verbs.EVENTS, events)
    routes.add(verbs.CANCEL, writing(service, cancel))


def _reply(job: JobRow, status: int = 200) -> Reply:
    return replies.plain(shown_job(job), status)
