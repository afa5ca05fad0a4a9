"""The configuration of a model in Triton's form: what a client that was written for Triton reads there."""

from flask import Response

from convserve_service import replies, verbs
from convserve_service.endpoints.models import PLATFORM
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_wire.replies import Configuration


def register(routes: Routes, service: Service) -> None:
    def config(model: str, version: str | None = None) -> Response:
        live = service.read(model, version)
        network = live.specification.network
        members: Configuration = {
            "name": model,
            "platform": PLATFORM,
            "backend": "",
            "runtime": "",
            "version_policy": {"all": {}},
            "max_batch_size": service.settings.max_rows,
            "input": [
                {
                    "name": "x",
                    "data_type": "TYPE_FP32",
                    "format": "FORMAT_NCHW",
                    "dims": network.input,
                    "is_shape_tensor": False,
                    "allow_ragged_batch": False,
                    "optional": False,
                }
            ],
            "output": [
                {
                    "name": "logits",
                    "data_type": "TYPE_FP32",
                    "dims": [network.classes],
                    "label_filename": "",
                    "is_shape_tensor": False,
                }
            ],
            "instance_group": [{"name": model, "kind": "KIND_CPU", "count": service.settings.workers, "gpus": []}],
            "default_model_filename": "",
            "model_transaction_policy": {"decoupled": False},
            "parameters": {},
        }
        return replies.json(members, version=live.version.version)

    routes.add(verbs.CONFIG, config)
