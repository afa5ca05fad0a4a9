"""Weights as safetensors, both ways: what PyTorch's state_dict holds."""

from flask import Response, request

from convserve_model import safetensors
from convserve_service import operands, replies, verbs
from convserve_service.body import Body, if_match
from convserve_service.live import Live
from convserve_service.models import Change, weights_file
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.store.records import Key, Reply
from convserve_service.writes import writing


def register(routes: Routes, service: Service) -> None:
    def get(model: str, version: str | None = None) -> Response:
        live = service.read(model, version)
        response = replies.file(request, b"".join(weights_file(live.snapshot)), live.version.weights_digest)
        response.headers[replies.MODEL_VERSION] = str(live.version.version)
        return response

    def put(body: Body, key: Key | None, model: str) -> Reply:
        tensors, _ = safetensors.deserialize(body.data)
        expected = if_match(request)

        def change(live: Live) -> Change:
            operands.loaded(live)
            snapshot = live.snapshot.with_weights(live.specification.network, tensors)
            return Change(snapshot, "weights", lambda row: replies.written(row, 0))

        return service.write(model, change, key=key, if_match=expected)

    routes.add(verbs.GET_WEIGHTS, get)
    routes.add(verbs.PUT_WEIGHTS, writing(service, put))
