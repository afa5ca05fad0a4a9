"""Forward prediction: the standard V2 verb."""

from flask import Response, request

from convserve_service import operands, replies, scores, verbs
from convserve_service.body import read
from convserve_service.errors import RequestError
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_wire.envelope import decode_raw, decode_request
from convserve_wire.messages import InferRequest
from convserve_wire.tensors import Tensor


def register(routes: Routes, service: Service) -> None:
    def infer(model: str, version: str | None = None) -> Response:
        body = read(request, service.settings.max_body)
        live = service.live(model, version)
        spec = live.specification
        if body.header_length == "0":
            decoded = decode_raw(body.data, spec.network.input)
        else:
            decoded = decode_request(InferRequest, body.data, body.header_length)
        x = service.rows(live, operands.take(decoded.tensors, ["x"])["x"])
        found = service.infer(live, x, decoded.output_names() or ("logits",))
        for output in decoded.outputs or ():
            k = output.parameters.get("classification", 0)
            if type(k) is not int or (k and output.name != "logits"):
                raise RequestError("classification is a number of classes, for the output logits", "outputs")
            if k:
                found[output.name] = scores.classification(spec, found[output.name], k)
        outputs = [Tensor(name, array) for name, array in found.items()]
        return replies.tensors(request, decoded, live, outputs)

    routes.add(verbs.INFER, infer)
