"""Weights as safetensors, both ways: what PyTorch's state_dict holds."""

from flask import Flask, Response, request

from convserve_model import safetensors
from convserve_service import operands, replies, routes
from convserve_service.body import Body, if_match
from convserve_service.models import Change, Live, weights_file
from convserve_service.service import Service
from convserve_service.store.records import Key, Reply
from convserve_service.writes import writing
from convserve_wire import paths
from convserve_wire.names import check_name


def register(app: Flask, service: Service) -> None:
    def get(model: str, version: str | None = None) -> Response:
        live = service.models.read(check_name(model), version)
        body = b"".join(weights_file(live.snapshot))
        response = Response(body, mimetype="application/octet-stream")
        response.headers[replies.MODEL_VERSION] = str(live.version.version)
        response.set_etag(live.version.weights_digest)
        response.make_conditional(request)
        return response

    def put(body: Body, key: Key | None, model: str) -> Reply:
        tensors, _ = safetensors.deserialize(body.data)
        expected = if_match(request)

        def change(live: Live) -> Change:
            operands.loaded(live)
            snapshot = live.snapshot.with_weights(live.specification.network, tensors)
            return Change(snapshot, "weights", lambda row: replies.written(row, 0))

        return service.models.write(check_name(model), change, key=key, if_match=expected)

    routes.add(app, "GET", paths.WEIGHTS, get, versions=True)
    routes.add(app, "PUT", paths.WEIGHTS, writing(service, put))
