"""Predictions for people: pictures in, labels and probabilities out."""

import base64

from flask import Response, request

from convserve_service import images, operands, replies, scores, verbs
from convserve_service.body import read
from convserve_service.errors import LimitError, RequestError, UnsupportedMedia
from convserve_service.live import Live
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_wire.messages import Base64Image, PredictRequest, parse
from convserve_wire.replies import Predictions
from convserve_wire.tensors import Array, from_json, nested_shape, stack


def register(routes: Routes, service: Service) -> None:
    def picture(live: Live, data: bytes) -> Array:
        spec = live.specification
        return images.pixels(data, spec.preprocess, spec.network.input[1:], service.settings.max_pixels)

    def instance(live: Live, at: int, value: Base64Image | list[object]) -> Array:
        where = f"instances[{at}]"
        if isinstance(value, Base64Image):
            try:
                array = picture(live, base64.b64decode(value.b64, validate=True))
            except ValueError as error:  # binascii's, or letters beyond ASCII
                raise RequestError("b64 is not base64; encode the bytes of a PNG or JPEG", f"{where}.b64") from error
            return live.specification.preprocess.normalize(array[None])[0]  # type: ignore[no-any-return]
        array = from_json(value, "FP32", nested_shape(value), where)
        return array[None] if array.ndim == 2 else array

    def rows(live: Live) -> list[Array]:
        body = read(request, service.settings.max_body)
        if body.media_type in ("image/png", "image/jpeg"):
            return [picture(live, body.data)]
        if body.media_type == "multipart/form-data":
            files = request.files.getlist("image")
            if not files:
                raise RequestError("there is no part named 'image'; send each picture as one", "image")
            return [picture(live, file.read()) for file in files]
        if body.media_type == "application/json":
            instances = parse(PredictRequest, body.data).instances
            return [instance(live, at, value) for at, value in enumerate(instances)]
        raise UnsupportedMedia(
            f"Content-Type is {body.media_type[:80]!r}, but predict takes image/png, image/jpeg, multipart/form-data"
            " with parts named image, or application/json with instances"
        )

    def predict(model: str, version: str | None = None) -> Response:
        top_k = operands.number(request, "top_k", 1000) or 5
        live = service.live(model, version)
        batch = rows(live)
        if len(batch) > service.settings.max_rows:
            raise LimitError(f"there are {len(batch)} pictures, but one request may have {service.settings.max_rows}")
        x = operands.rows(live, stack(batch), service.settings.max_rows)
        logits = service.engine.infer(live.specification.network, live.snapshot, x)["logits"]
        number = live.version.version
        predictions = scores.best(live.specification, logits, top_k)
        reply = Predictions(model_name=model, model_version=str(number), predictions=predictions)
        return replies.json(reply, version=number)

    routes.add(verbs.PREDICT, predict)
