"""What a prediction rests on, as tensors for machines or as a heat map for people."""

from flask import Response, request

from convserve_model import explain as library
from convserve_service import explaining, heatmaps, operands, replies, sizes, verbs
from convserve_service.routes import Routes
from convserve_service.service import Service


def register(routes: Routes, service: Service) -> None:
    def explain(model: str, version: str | None = None) -> Response:
        body, most = service.body(request), service.settings.max_pixels
        live = service.live(model, version)
        spec, drawn = live.specification, replies.wanted(request, "image/png")
        decoded = explaining.decode(live, body, request.args, most)
        method = library.method(decoded.message.method, decoded.message.options())
        inputs = operands.take(decoded.tensors, ["x"], ["target"])
        x = explaining.rows(live, inputs["x"], method, service.settings.max_rows)
        service.count(len(x))
        if drawn:
            heatmaps.check(x, spec.preprocess.color, most)
        reply = sizes.outputs(spec.network, ("grad/x",), len(x), lambda name: drawn or decoded.binary("explanation"))
        check = service.allow(spec.network, len(x), reply=reply, backward=True)
        subject = library.Subject(service.engine, spec.network, live.snapshot, check)
        found = library.attributions(subject, method, x, inputs.get("target"))
        if drawn:
            values = found["explanation"][0]
            picture = heatmaps.png(values, x[0], spec.preprocess, signed=method.signed, max_pixels=most)
            return replies.picture(picture, live)
        return replies.tensors(request, decoded, live, explaining.outputs(found, decoded.output_names()))

    routes.add(verbs.EXPLAIN, explain)
