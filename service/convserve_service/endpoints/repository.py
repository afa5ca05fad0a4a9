"""V2's model repository: which models there are, loading and unloading."""

from flask import Response, request

from convserve_service import replies, verbs
from convserve_service.body import Body, refuse_if_match
from convserve_service.errors import RequestError
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.store.records import Key, ModelRow, Reply
from convserve_service.writes import writing
from convserve_wire.messages import IndexRequest, LoadRequest, parse
from convserve_wire.names import check_name
from convserve_wire.replies import IndexEntry, Nothing


def register(routes: Routes, service: Service) -> None:
    def index() -> Response:
        wanted = parse(IndexRequest, service.body(request).data or b"{}")
        entries = [_entry(row, newest) for row, newest in service.reader.all()]
        return replies.json([entry for entry in entries if entry["state"] == "READY" or not wanted.ready])

    def load(body: Body, key: Key | None, model: str) -> Reply:
        for name in parse(LoadRequest, body.data or b"{}").parameters:
            if name == "config" or name.startswith("file:"):
                raise RequestError(
                    f"load takes no {name[:80]!r}: a model is what it was created from; create another with"
                    f" PUT /v2/models/<name>, or give this one weights with PUT /v2/models/{model}/weights",
                    "parameters",
                )
        return turn(model, True, key)

    def unload(body: Body, key: Key | None, model: str) -> Reply:
        return turn(model, False, key)

    def turn(model: str, loaded: bool, key: Key | None) -> Reply:
        refuse_if_match(request)
        return service.models.set_loaded(check_name(model), loaded, key=key, reply=replies.plain(Nothing()))

    routes.add(verbs.INDEX, index)
    routes.add(verbs.LOAD, writing(service, load))
    routes.add(verbs.UNLOAD, writing(service, unload))


def _entry(row: ModelRow, newest: int | None) -> IndexEntry:
    reason = "all versions are lost" if newest is None else "" if row.loaded else "unloaded"
    return {
        "name": row.name,
        "version": "" if newest is None else str(newest),
        "state": "UNAVAILABLE" if reason else "READY",
        "reason": reason,
    }
