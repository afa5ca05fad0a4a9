"""Forward prediction: the standard V2 verb."""

from flask import Response, request

from convserve_service import operands, replies, scores, sizes, verbs
from convserve_service.errors import RequestError
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_wire.envelope import Request, decode_raw, decode_request
from convserve_wire.messages import InferRequest
from convserve_wire.tensors import Tensor


def register(routes: Routes, service: Service) -> None:
    def infer(model: str, version: str | None = None) -> Response:
        body = service.body(request)
        live = service.live(model, version)
        spec = live.specification
        if body.header_length == "0":
            decoded = decode_raw(body.data, spec.network.input)
        else:
            decoded = decode_request(InferRequest, body.data, body.header_length)
        x = service.rows(live, operands.take(decoded.tensors, ["x"])["x"])
        names, k = decoded.output_names() or ("logits",), _classification(decoded)
        reply = sizes.outputs(spec.network, names, len(x), decoded.binary) + sizes.classes(spec, len(x), k)
        check = service.allow(spec.network, len(x), reply=reply, more=sizes.OBJECTS * len(x) * k)
        found = service.infer(live, x, names, check=check)
        if k:
            found["logits"] = scores.classification(spec, found["logits"], k)
        outputs = [Tensor(name, array) for name, array in found.items()]
        return replies.tensors(request, decoded, live, outputs)

    routes.add(verbs.INFER, infer)


def _classification(decoded: Request[InferRequest]) -> int:
    """V2's classification extension: of how many classes the logits are wanted, 0 where they are wanted as numbers."""
    wanted = 0
    for output in decoded.outputs or ():
        k = output.parameters.get("classification", 0)
        if type(k) is not int or (k and output.name != "logits"):
            raise RequestError("classification is a number of classes, for the output logits", "outputs")
        wanted = k or wanted
    return wanted
