"""Loss, accuracy and counts for each class."""

from flask import Response, request

from convserve_service import operands, replies, scores, verbs
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_wire.envelope import decode_request
from convserve_wire.messages import EvaluateRequest
from convserve_wire.replies import Evaluated


def register(routes: Routes, service: Service) -> None:
    def evaluate(model: str, version: str | None = None) -> Response:
        body = service.body(request)
        live = service.live(model, version)
        decoded = decode_request(EvaluateRequest, body.data, body.header_length)
        inputs, spec = operands.take(decoded.tensors, ["x", "y"]), live.specification
        x = service.rows(live, inputs["x"])
        loss = operands.training(spec.training, decoded.message).loss
        check = service.allow(spec.network, len(x))
        judged = service.engine.evaluate(spec.network, live.snapshot, x, inputs["y"], loss=loss, check=check)
        scores.finite("the loss", judged.loss)
        members: Evaluated = {
            "model_name": model,
            "model_version": str(live.version.version),
            "loss": judged.loss,
            "accuracy": judged.accuracy,
            "count": judged.count,
            "classes": scores.per_class(spec, judged),
        }
        return replies.json(members, version=live.version.version)

    routes.add(verbs.EVALUATE, evaluate)
