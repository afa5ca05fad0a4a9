"""Predictions for people: pictures in, labels and probabilities out."""

from flask import Response, request

from convserve_service import images, instances, operands, replies, scores, verbs
from convserve_service.body import read
from convserve_service.errors import RequestError, UnsupportedMedia
from convserve_service.live import Live
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_wire.messages import PredictRequest, parse
from convserve_wire.replies import Predictions
from convserve_wire.tensors import Array


def register(routes: Routes, service: Service) -> None:
    settings = service.settings

    def rows(live: Live) -> list[Array]:
        body = read(request, settings.max_body)
        if body.media_type in ("image/png", "image/jpeg"):
            return [images.picture(live, body.data, settings.max_pixels)]
        if body.media_type == "multipart/form-data":
            files = request.files.getlist("image")
            if not files:
                raise RequestError("there is no part named 'image'; send each picture as one", "image")
            return [images.picture(live, file.read(), settings.max_pixels) for file in files]
        if body.media_type == "application/json":
            return instances.arrays(live, parse(PredictRequest, body.data).instances, settings)
        raise UnsupportedMedia(
            f"Content-Type is {body.media_type[:80]!r}, but predict takes image/png, image/jpeg, multipart/form-data"
            " with parts named image, or application/json with instances"
        )

    def predict(model: str, version: str | None = None) -> Response:
        top_k = operands.number(request, "top_k", 1000) or 5
        live = service.live(model, version)
        x = service.rows(live, instances.batch(rows(live), settings))
        logits = service.infer(live, x)["logits"]
        number = live.version.version
        predictions = scores.best(live.specification, logits, top_k)
        reply = Predictions(model_name=model, model_version=str(number), predictions=predictions)
        return replies.json(reply, version=number)

    routes.add(verbs.PREDICT, predict)
