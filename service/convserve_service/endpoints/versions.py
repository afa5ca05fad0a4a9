"""History, rollback and aliases."""

from flask import Response, request

from convserve_service import operands, replies, verbs
from convserve_service.body import Body, if_match
from convserve_service.live import Live
from convserve_service.models import Change
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.store.catalog import NUMBERS
from convserve_service.store.records import Key, Reply, VersionRow
from convserve_service.writes import writing
from convserve_wire.messages import VersionRequest, parse
from convserve_wire.names import check_alias, check_name
from convserve_wire.replies import Alias, AliasDeleted, Version, Versions


def register(routes: Routes, service: Service) -> None:
    def versions(model: str) -> Response:
        limit, before = operands.number(request, "limit", 1000), operands.number(request, "before", NUMBERS - 1)
        found = service.reader.versions(check_name(model), 100 if limit is None else limit, before)
        return replies.json(Versions(model_name=model, versions=[_describe(row) for row in found]))

    def rollback(body: Body, key: Key | None, model: str) -> Reply:
        wanted = parse(VersionRequest, body.data).version

        def change(live: Live) -> Change:
            older = service.read(model, wanted)
            options = {"version": str(older.version.version)}
            return Change(older.snapshot, "rollback", lambda row: replies.written(row, 0), options, older.version.loss)

        return service.write(model, change, key=key, if_match=if_match(request))

    def set_alias(body: Body, key: Key | None, model: str, alias: str) -> Reply:
        wanted = parse(VersionRequest, body.data).version

        def reply(version: int) -> Reply:
            return replies.plain(Alias(model_name=model, alias=alias, version=str(version)), version=version)

        return service.models.set_alias(
            check_name(model), check_alias(alias), wanted, key=key, if_match=if_match(request), reply=reply
        )

    def delete_alias(body: Body, key: Key | None, model: str, alias: str) -> Reply:
        reply = replies.plain(AliasDeleted(model_name=model, alias=alias, deleted=True))
        return service.models.delete_alias(
            check_name(model), check_alias(alias), key=key, if_match=if_match(request), reply=reply
        )

    routes.add(verbs.VERSIONS, versions)
    routes.add(verbs.ROLLBACK, writing(service, rollback))
    routes.add(verbs.SET_ALIAS, writing(service, set_alias))
    routes.add(verbs.DELETE_ALIAS, writing(service, delete_alias))


def _describe(row: VersionRow) -> Version:
    return {
        "version": str(row.version),
        "parent": None if row.parent is None else str(row.parent),
        "verb": row.verb,
        "hyperparameters": row.hyperparameters,
        "step": row.step,
        "loss": row.loss,
        "digest": row.digest,
        "weights_digest": row.weights_digest,
        "created": row.created,
        "aliases": list(row.aliases),
        "available": row.available,
        "release": row.release,
        "cpu": row.cpu,
    }
