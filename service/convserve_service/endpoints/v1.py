"""The V1 protocol of TensorFlow Serving and KServe: instances in, the logits of each out."""

from typing import Any

from flask import Response, request

from convserve_service import instances, replies, sizes, verbs
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_wire.messages import V1Request, parse
from convserve_wire.names import check_name
from convserve_wire.replies import V1Index, V1Predictions, V1Readiness
from convserve_wire.tensors import Tensor, elements, stack


def register(routes: Routes, service: Service) -> None:
    settings = service.settings

    def index() -> Response:
        return replies.json(V1Index(models=[row.name for row, _ in service.reader.all()]))

    def ready(model: str) -> Response:
        loaded = service.reader.rows(check_name(model), None)[0].loaded
        return replies.json(V1Readiness(name=model, ready=loaded), 200 if loaded else 503)

    def predict(model: str) -> Response:
        body = service.body(request)
        live = service.live(model, None)
        rows = instances.arrays(live, parse(V1Request, body.data).instances, settings, service.deadline())
        x, network = service.rows(live, stack(rows)), live.specification.network
        reply = sizes.outputs(network, ("logits",), len(x), lambda name: False)
        logits = service.infer(live, x, check=service.allow(network, len(x), reply=reply))["logits"]
        predictions: Any = elements(Tensor("logits", logits)).reshape(logits.shape)
        return replies.json(V1Predictions(predictions=predictions), version=live.version.version)

    routes.add(verbs.V1_INDEX, index)
    routes.add(verbs.V1_READY, ready)
    routes.add(verbs.V1_PREDICT, predict)
