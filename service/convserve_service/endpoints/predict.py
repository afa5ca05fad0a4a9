"""Predictions for people: pictures in, labels and probabilities out."""

from flask import Response, request

from convserve_service import images, instances, operands, replies, scores, sizes, verbs
from convserve_service.errors import RequestError, UnsupportedMedia
from convserve_service.live import Live
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_wire.messages import PredictRequest, parse
from convserve_wire.replies import Predictions
from convserve_wire.tensors import Array, stack


def register(routes: Routes, service: Service) -> None:
    settings = service.settings

    def rows(live: Live) -> list[Array]:
        body = service.body(request)
        if body.media_type in verbs.PICTURE:
            return [images.picture(live, body.data, settings.max_pixels)]
        if body.media_type == "multipart/form-data":
            files = request.files.getlist("image")
            if not files:
                raise RequestError("there is no part named 'image'; send each picture as one", "image")
            few = instances.few(files, settings.max_rows, service.deadline())
            return [images.picture(live, file.read(), settings.max_pixels) for file in few]
        if body.media_type == "application/json":
            sent = parse(PredictRequest, body.data).instances
            return instances.arrays(live, sent, settings, service.deadline())
        raise UnsupportedMedia(
            f"Content-Type is {body.media_type[:80]!r}, but predict takes image/png, image/jpeg, multipart/form-data"
            " with parts named image, or application/json with instances"
        )

    def predict(model: str, version: str | None = None) -> Response:
        k = operands.number(request, "top_k", 1000) or 5
        live = service.live(model, version)
        spec, x = live.specification, service.rows(live, stack(rows(live)))
        k = min(k, spec.network.classes)
        check = service.allow(
            spec.network, len(x), reply=sizes.classes(spec, len(x), k), more=sizes.OBJECTS * len(x) * k
        )
        logits = service.infer(live, x, check=check)["logits"]
        number = live.version.version
        predictions = scores.best(spec, logits, k)
        reply = Predictions(model_name=model, model_version=str(number), predictions=predictions)
        return replies.json(reply, version=number)

    routes.add(verbs.PREDICT, predict)
