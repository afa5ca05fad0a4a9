"""One optimizer step with gradients that the client brings."""

from flask import request

from convserve_service import operands, replies, verbs
from convserve_service.body import Body, if_match
from convserve_service.live import Live
from convserve_service.models import Change
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.store.records import Key, Reply
from convserve_service.writes import writing
from convserve_wire.envelope import decode_request
from convserve_wire.messages import StepRequest


def register(routes: Routes, service: Service) -> None:
    def step(body: Body, key: Key | None, model: str) -> Reply:
        decoded = decode_request(StepRequest, body.data, body.header_length)
        gradients = operands.prefixed(decoded.tensors, "grad/", ["buffer/"])
        buffers = operands.prefixed(decoded.tensors, "buffer/", ["grad/"])
        expected = if_match(request)

        def change(live: Live) -> Change:
            operands.loaded(live)
            spec = live.specification
            training = operands.training(spec.training, decoded.message)
            snapshot = service.engine.step(spec.network, training, live.snapshot, gradients, buffers)
            options = operands.hyperparameters(decoded.message)
            return Change(snapshot, "step", lambda row: replies.written(row, 1), options)

        return service.write(model, change, key=key, if_match=expected)

    routes.add(verbs.STEP, writing(service, step))
