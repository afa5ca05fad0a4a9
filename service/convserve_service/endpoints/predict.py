"""Predictions for people: pictures in, labels and probabilities out."""

import base64
import binascii
from collections.abc import Iterator
from typing import TypeVar

from flask import Response, request

from convserve_service import images, operands, replies, scores, sizes, verbs
from convserve_service.body import read
from convserve_service.errors import LimitError, RequestError, UnsupportedMedia
from convserve_service.live import Live
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_wire.messages import Base64Image, PredictRequest, parse
from convserve_wire.tensors import Array, from_json, nested_shape, stack

T = TypeVar("T")


def register(routes: Routes, service: Service) -> None:
    def picture(live: Live, data: bytes) -> Array:
        spec = live.specification
        return images.pixels(data, spec.preprocess, spec.network.input[1:], service.settings.max_pixels)

    def instance(live: Live, at: int, value: Base64Image | list[object]) -> Array:
        where = f"instances[{at}]"
        if isinstance(value, Base64Image):
            try:
                array = picture(live, base64.b64decode(value.b64, validate=True))
            except binascii.Error as error:
                raise RequestError("b64 is not base64; encode the bytes of a PNG or JPEG", f"{where}.b64") from error
            return live.specification.preprocess.normalize(array[None])[0]  # type: ignore[no-any-return]
        array = from_json(value, "FP32", nested_shape(value), where)
        return array[None] if array.ndim == 2 else array

    def few(pictures: list[T]) -> Iterator[T]:
        """Each, while there is time; LimitError where they are too many."""
        if len(pictures) > service.settings.max_rows:
            raise LimitError(f"there are {len(pictures)} pictures, but a request may have {service.settings.max_rows}")
        check = service.deadline()
        for one in pictures:
            check()
            yield one

    def rows(live: Live) -> list[Array]:
        body = read(request, service.settings.max_body)
        if body.media_type in ("image/png", "image/jpeg"):
            return [picture(live, body.data)]
        if body.media_type == "multipart/form-data":
            files = request.files.getlist("image")
            if not files:
                raise RequestError("there is no part named 'image'; send each picture as one", "image")
            return [picture(live, file.read()) for file in few(files)]
        if body.media_type == "application/json":
            instances = parse(PredictRequest, body.data).instances
            return [instance(live, at, value) for at, value in enumerate(few(instances))]
        raise UnsupportedMedia(
            f"Content-Type is {body.media_type[:80]!r}, but predict takes image/png, image/jpeg, multipart/form-data"
            " with parts named image, or application/json with instances"
        )

    def predict(model: str, version: str | None = None) -> Response:
        top_k = request.args.get("top_k", "5")
        if not top_k.isdecimal() or not 1 <= int(top_k) <= 1000:
            raise RequestError(f"top_k is {top_k[:40]!r}, but it must be from 1 to 1000", "top_k")
        live = service.live(model, version)
        batch = rows(live)
        x = operands.rows(live, stack(batch), service.settings.max_rows)
        spec, k = live.specification, int(top_k)
        check = service.allow(
            spec.network,
            len(x),
            reply=sizes.classes(spec, len(x), k),
            more=sizes.OBJECTS * len(x) * min(k, spec.network.classes),
        )
        logits = service.engine.infer(spec.network, live.snapshot, x, check=check)["logits"]
        number = live.version.version
        members = {"model_name": model, "model_version": str(number)}
        predictions = scores.best(spec, logits, k)
        return replies.json({**members, "predictions": predictions}, version=number)

    routes.add(verbs.PREDICT, predict)
