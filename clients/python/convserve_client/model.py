"""One model of a service: NumPy arrays in and out, every verb a method."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from convserve_client import decode, safetensors
from convserve_client.pictures import media_type, picture
from convserve_client.results import Evaluation, Gradients, Prediction, Trained, Version
from convserve_client.tensors import images, targets
from convserve_client.training import Plan, Progress, run
from convserve_client.transport import Transport
from convserve_wire import paths
from convserve_wire.envelope import HEADER_LENGTH, encode_request
from convserve_wire.tensors import Array

Which = int | str | None  # a version's number, an alias, or None for the newest
Options = Mapping[str, Any]
GRAD = "grad/"
EVALUATE_BYTES = 32 << 20  # one request's share of a long evaluation


class Model:
    """A model by name. Nothing is kept here but the name: every call asks the service."""

    def __init__(self, transport: Transport, name: str) -> None:
        self._transport = transport
        self.name = name

    def __repr__(self) -> str:
        return f"Model({self.name!r} at {self._transport.url})"

    @overload
    def infer(self, x: Any, outputs: None = None, *, version: Which = None) -> Array: ...
    @overload
    def infer(self, x: Any, outputs: Sequence[str], *, version: Which = None) -> dict[str, Array]: ...
    def infer(self, x: Any, outputs: Sequence[str] | None = None, *, version: Which = None) -> Array | dict[str, Array]:
        """Logits [N,K] of x [N,C,H,W]; or the activations after the layers named, by name."""
        _, found = self._ask(paths.INFER, version, {"x": images(x)}, outputs)
        return found["logits"] if outputs is None else found

    @overload
    def predict(self, pictures: list[Any], *, top_k: int = 5, version: Which = None) -> list[Prediction]: ...
    @overload
    def predict(self, pictures: Any, *, top_k: int = 5, version: Which = None) -> Prediction: ...
    def predict(self, pictures: Any, *, top_k: int = 5, version: Which = None) -> Prediction | list[Prediction]:
        """What a picture shows: a path, bytes of a PNG or JPEG, a Pillow image, a uint8 array; or a list of them.

        The service resizes, inverts and normalizes as the model's `preprocess` says.
        """
        path = f"{self._path(paths.PREDICT, version)}?top_k={top_k}"
        if isinstance(pictures, list):
            files = [("image", (str(at), picture(one))) for at, one in enumerate(pictures)]
            return decode.predictions(self._transport.read_files(path, files))
        data = picture(pictures)
        return decode.predictions(self._transport.read("POST", path, data, **{"Content-Type": media_type(data)}))[0]

    def gradients(
        self,
        x: Any,
        y: Any = None,
        *,
        cotangent: Any = None,
        outputs: Sequence[str] | None = None,
        mode: str | None = None,
        dropout_seed: int | None = None,
        loss: Options | None = None,
        version: Which = None,
    ) -> Gradients:
        """Derivatives of the loss at y, or of sum(cotangent * logits); by default for every parameter.

        `outputs` are `loss`, `logits`, layers, `grad/<parameter>` and `grad/x`.
        """
        second = {"y": targets(y)} if cotangent is None else {"cotangent": np.asarray(cotangent, np.float32)}
        options = {"mode": mode, "dropout_seed": dropout_seed, "loss": loss}
        members, found = self._ask(paths.GRADIENTS, version, {"x": images(x), **second}, outputs, options)
        return decode.gradients(members, found)

    def evaluate(self, x: Any, y: Any, *, loss: Options | None = None, version: Which = None) -> Evaluation:
        """Loss, accuracy and counts for each class; long data goes in several requests on one version."""
        x, y = images(x), targets(y)
        rows = max(1, EVALUATE_BYTES // max(1, x[:1].nbytes))
        parts: list[Evaluation] = []
        for start in range(0, max(1, len(x)), rows):
            piece = {"x": x[start : start + rows], "y": y[start : start + rows]}
            members, _ = self._ask(paths.EVALUATE, version, piece, None, {"loss": loss})
            parts.append(decode.evaluation(members))
            version = parts[0].version
        return decode.combined(parts)

    def train(
        self,
        x: Any,
        y: Any,
        *,
        epochs: int = 1,
        batch_size: int | None = None,
        shuffle_seed: int | None = None,
        steps_per_request: int | None = None,
        optimizer: Options | None = None,
        loss: Options | None = None,
        schedule: Options | None = None,
        progress: bool | Progress = False,
        if_match: int | None = None,
        idempotency_key: str | None = None,
    ) -> Trained:
        """Forward, backward and optimizer steps over x [N,C,H,W] and y; the new version.

        One request and one version; with `steps_per_request` several, each a transaction of its own, and
        `progress` shows them as one bar (or is called with images done, images in all, and the last loss).
        """
        plan = Plan(len(np.asarray(y)), epochs, batch_size, shuffle_seed, steps_per_request, if_match, idempotency_key)
        changed = {"optimizer": optimizer, "loss": loss, "schedule": schedule}

        def send(x: Array, y: Array, options: Options, if_match: int | None, key: str | None) -> Trained:
            return self._write(paths.TRAIN, {"x": x, "y": y}, {**changed, **options}, if_match, key)

        return run(send, images(x), targets(y), plan, progress)

    def step(
        self,
        gradients: Gradients | Mapping[str, Array],
        *,
        buffers: Mapping[str, Array] | None = None,
        optimizer: Options | None = None,
        schedule: Options | None = None,
        if_match: int | None = None,
        idempotency_key: str | None = None,
    ) -> Trained:
        """One optimizer step with gradients from anywhere, one for every parameter."""
        brought = gradients.parameters if isinstance(gradients, Gradients) else gradients
        inputs = {GRAD + name: np.asarray(value, np.float32) for name, value in brought.items()}
        inputs |= {f"buffer/{name}": np.asarray(value) for name, value in (buffers or {}).items()}
        options = {"optimizer": optimizer, "schedule": schedule}
        return self._write(paths.STEP, inputs, options, if_match, idempotency_key)

    def weights(self, *, version: Which = None) -> dict[str, Array]:
        """Parameters and buffers under PyTorch's names and shapes."""
        return safetensors.load(self._transport.read("GET", self._path(paths.WEIGHTS, version)).body)

    def put_weights(
        self,
        tensors: Mapping[str, Array] | str | os.PathLike[str],
        *,
        if_match: int | None = None,
        idempotency_key: str | None = None,
    ) -> Trained:
        """Replace the weights by arrays or by a safetensors file; the optimizer starts afresh."""
        data = safetensors.save(tensors) if isinstance(tensors, Mapping) else Path(tensors).read_bytes()
        path = self._path(paths.WEIGHTS)
        return decode.trained(self._transport.write("PUT", path, data, key=idempotency_key, if_match=if_match))

    def architecture(self) -> dict[str, Any]:
        """What the model was created from, with every layer's output shape and the number of parameters."""
        described: dict[str, Any] = self._transport.read("GET", self._path(paths.ARCHITECTURE)).json()
        return described

    def metadata(self, *, version: Which = None) -> dict[str, Any]:
        """V2's metadata: versions, inputs, outputs."""
        described: dict[str, Any] = self._transport.read("GET", self._path(paths.MODEL, version)).json()
        return described

    def versions(self, *, limit: int = 100, before: int | None = None) -> list[Version]:
        """The history, newest first."""
        path = f"{self._path(paths.VERSIONS)}?limit={limit}" + (f"&before={before}" if before else "")
        return decode.versions(self._transport.read("GET", path))

    def rollback(self, version: int | str, *, if_match: int | None = None) -> Trained:
        """A new version with an older one's state, optimizer included."""
        body = {"version": str(version)}
        return decode.trained(self._transport.write("POST", self._path(paths.ROLLBACK), body, if_match=if_match))

    def alias(self, alias: str, version: int | str) -> None:
        """Let a name such as `production` mean a version."""
        self._transport.write("PUT", self._path(paths.ALIAS, alias=alias), {"version": str(version)})

    def delete_alias(self, alias: str) -> None:
        self._transport.write("DELETE", self._path(paths.ALIAS, alias=alias))

    def delete(self) -> None:
        """Delete the model and all its versions."""
        self._transport.write("DELETE", self._path(paths.MODEL))

    def _path(self, path: str, version: Which = None, **parts: str) -> str:
        return paths.fill(path, version=None if version is None else str(version), model=self.name, **parts)

    def _ask(
        self,
        path: str,
        version: Which,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] | None,
        options: Options | None = None,
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        body, length = encode_request(inputs, outputs, options)
        headers = {HEADER_LENGTH: str(length), "Content-Type": "application/octet-stream"}
        return decode.tensors(self._transport.read("POST", self._path(path, version), body, **headers))

    def _write(
        self, path: str, inputs: Mapping[str, Array], options: Options, if_match: int | None, key: str | None
    ) -> Trained:
        body, length = encode_request(inputs, None, options)
        headers = {HEADER_LENGTH: str(length), "Content-Type": "application/octet-stream"}
        reply = self._transport.write("POST", self._path(path), body, key=key, if_match=if_match, **headers)
        return decode.trained(reply)
