"""Create, describe and delete models."""

import json

from flask import Response, request

from convserve_service import replies, specification, verbs
from convserve_service.body import Body, if_match, refuse_if_match
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.store.records import Key, Reply, VersionRow
from convserve_service.writes import writing
from convserve_wire.messages import ModelSpec, parse
from convserve_wire.names import check_name
from convserve_wire.replies import Created, Description, Metadata, ModelDeleted, ModelReadiness

PLATFORM = "convserve_numpy"


def register(routes: Routes, service: Service) -> None:
    def create(body: Body, key: Key | None, model: str) -> Reply:
        refuse_if_match(request)
        spec = specification.from_message(parse(ModelSpec, body.data))

        def reply(row: VersionRow, new: bool) -> Reply:
            members: Created = {
                "model_name": row.model,
                "model_version": str(row.version),
                "parameters": spec.network.parameter_count,
                "step": row.step,
                "digest": row.digest,
                "weights_digest": row.weights_digest,
            }
            return replies.plain(members, 201 if new else 200, row.version)

        return service.models.create(check_name(model), spec, key=key, reply=reply)

    def metadata(model: str, version: str | None = None) -> Response:
        live = service.read(model, version)
        network = live.specification.network
        newest = live.version.version
        members: Metadata = {
            "name": model,
            "versions": [str(number) for number in ([newest] if version else service.reader.numbers(model, newest))],
            "platform": PLATFORM,
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, *network.input]}],
            "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, network.classes]}],
        }
        return replies.json(members, version=live.version.version)

    def architecture(model: str) -> Response:
        live = service.read(model)
        network, spec = live.specification.network, json.loads(live.specification.text)
        described: Description = {
            "model_name": model,
            "architecture": spec["architecture"],
            "labels": spec["labels"],
            "preprocess": spec["preprocess"],
            "training": spec["training"],
            "seed": spec["seed"],
            "parameters": network.parameter_count,
            "shapes": {name: list(shape) for name, shape in network.shapes.items()},
        }
        return replies.json(described)

    def delete(body: Body, key: Key | None, model: str) -> Reply:
        reply = replies.plain(ModelDeleted(model_name=model, deleted=True))
        return service.models.delete(check_name(model), key=key, if_match=if_match(request), reply=reply)

    def ready(model: str, version: str | None = None) -> Response:
        live = service.live(model, version)
        return replies.json(ModelReadiness(name=model, ready=True), version=live.version.version)

    routes.add(verbs.CREATE, writing(service, create))
    routes.add(verbs.METADATA, metadata)
    routes.add(verbs.DELETE, writing(service, delete))
    routes.add(verbs.MODEL_READY, ready)
    routes.add(verbs.ARCHITECTURE, architecture)
