"""Training steps: one request is one transaction and makes one version."""

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
from convserve_wire.messages import TrainRequest
from convserve_wire.tensors import Tensor


def register(routes: Routes, service: Service) -> None:
    def train(body: Body, key: Key | None, model: str) -> Reply:
        decoded = decode_request(TrainRequest, body.data, body.header_length)
        message = decoded.message
        inputs = operands.take(decoded.tensors, ["x", "y"])
        expected = if_match(request)

        def change(live: Live) -> Change:
            operands.loaded(live)
            spec = live.specification
            x = service.rows(live, inputs["x"], passes=message.epochs)
            check = service.allow(spec.network, min(message.batch_size or len(x), len(x)), backward=True, train=True)
            snapshot, losses = service.engine.train(
                spec.network,
                operands.training(spec.training, message),
                live.snapshot,
                x,
                inputs["y"],
                epochs=message.epochs,
                batch_size=message.batch_size,
                shuffle_seed=message.shuffle_seed,
                seed=spec.seed,
                check=check,
            )
            return Change(
                snapshot,
                "train",
                lambda row: replies.written(row, len(losses), decoded, [Tensor("loss", losses.astype("float32"))]),
                operands.hyperparameters(message, len(inputs["x"])),
                float(losses[-1]),
            )

        return service.write(model, change, key=key, if_match=expected)

    routes.add(verbs.TRAIN, writing(service, train))
