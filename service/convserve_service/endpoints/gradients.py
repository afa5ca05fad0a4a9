"""Gradients over the wire: one forward and one backward pass, nothing is changed."""

from flask import Response, request

from convserve_service import operands, replies, sizes, verbs
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_wire.envelope import decode_request
from convserve_wire.messages import GradientsRequest
from convserve_wire.tensors import Tensor


def register(routes: Routes, service: Service) -> None:
    def gradients(model: str, version: str | None = None) -> Response:
        body = service.body(request)
        live = service.live(model, version)
        decoded = decode_request(GradientsRequest, body.data, body.header_length)
        message, spec = decoded.message, live.specification
        second = "cotangent" if "cotangent" in decoded.tensors else "y"
        inputs = operands.take(decoded.tensors, ["x", second])
        x = service.rows(live, inputs["x"])
        train = message.mode == "train"
        names = decoded.output_names() or [f"grad/{name}" for name in spec.network.parameters]
        reply = sizes.outputs(spec.network, names, len(x), decoded.binary)
        check = service.allow(spec.network, len(x), reply=reply, backward=True, train=train)
        found = service.engine.gradients(
            spec.network,
            live.snapshot,
            x,
            loss=operands.training(spec.training, message).loss,
            target=inputs.get("y"),
            cotangent=inputs.get("cotangent"),
            outputs=decoded.output_names(),
            train=train,
            seed=spec.seed if message.dropout_seed is None else message.dropout_seed,
            check=check,
        )
        return replies.tensors(request, decoded, live, [Tensor(name, array) for name, array in found.items()])

    routes.add(verbs.GRADIENTS, gradients)
