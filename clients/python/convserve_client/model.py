"""One model of a service: NumPy arrays in and out, every verb a method."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack, overload
from urllib.parse import quote

import numpy as np

from convserve_client import datasets, decode, explaining, safetensors
from convserve_client.errors import ConvserveError
from convserve_client.explaining import ExplainOptions, Method
from convserve_client.fitting import FitOptions, finish
from convserve_client.jobs import Job
from convserve_client.pictures import instances, media_type, numbers, picture
from convserve_client.progress import Progress
from convserve_client.results import Evaluation, Explanation, Gradients, Prediction, Trained, Version
from convserve_client.tensors import images, paired, targets
from convserve_client.training import Plan, run
from convserve_client.transport import Reply, Transport
from convserve_wire import paths
from convserve_wire.envelope import HEADER_LENGTH, encode_request
from convserve_wire.tensors import Array

Which = int | str | None  # a version's number, an alias, or None for the newest
Options = Mapping[str, Any]
GRAD = "grad/"
EVALUATE_BYTES = 32 << 20  # one request's share of a long evaluation: half of the service's default limit


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
    def predict(self, pictures: Array, *, top_k: int = 5, version: Which = None) -> Any: ...
    @overload
    def predict(self, pictures: Any, *, top_k: int = 5, version: Which = None) -> Prediction: ...
    def predict(self, pictures: Any, *, top_k: int = 5, version: Which = None) -> Prediction | list[Prediction]:
        """What a picture shows: a path, bytes of a PNG or JPEG, a Pillow image, an array; or of each in a list.

        A uint8 array [H,W], [C,H,W] or [H,W,3] is a picture: the service resizes, inverts and normalizes it as the
        model's `preprocess` says. A float array [H,W] or [C,H,W] is the network's input, taken as it is.
        An array [N,C,H,W] is a list of N.
        """
        if isinstance(pictures, np.ndarray) and pictures.ndim == 4:
            pictures = list(pictures)
        one = not isinstance(pictures, list)
        found = self._predict([pictures] if one else pictures, f"{self.path(paths.PREDICT, version)}?top_k={top_k}")
        return found[0] if one else found

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

    def explain(
        self, x: Any, *, method: Method, target: Any = None, version: Which = None, **options: Unpack[ExplainOptions]
    ) -> Explanation:
        """How much each element of x [N,C,H,W] moves an output: `target` [N], by default the largest of each row."""
        inputs, asked = explaining.inputs(images(x), target), {"method": method, **options}
        return decode.explanation(*self._ask(paths.EXPLAIN, version, inputs, explaining.outputs(method), asked))

    def heatmap(
        self,
        image: Any,
        *,
        method: Method = "integrated_gradients",
        target: int | None = None,
        version: Which = None,
        **options: Unpack[ExplainOptions],
    ) -> bytes:
        """The same for one image, as a PNG for people: `Path("map.png").write_bytes(model.heatmap("digit.png"))`.

        Whatever `predict` takes: a float array is the network's input, all else a picture. Where a method tells for and
        against, red speaks for the target and blue against it.
        """
        asked: Options = {"method": method, **options}
        if numbers(image):
            inputs = explaining.inputs(images(image.reshape(explaining.row(image.shape))), target)
            return self._envelope(paths.EXPLAIN, version, inputs, None, asked, Accept="image/png").body
        data = picture(image)
        path = f"{self.path(paths.EXPLAIN, version)}?{explaining.query({**asked, 'target': target})}"
        headers = {"Content-Type": media_type(data), "Accept": "image/png"}
        return self._transport.read("POST", path, data, **headers).body

    def evaluate(
        self, x: Any, y: Any, *, loss: Options | None = None, version: Which = None, rows_per_request: int = 8192
    ) -> Evaluation:
        """Loss, accuracy and counts for each class; long data goes in several requests on one version."""
        x, y = paired(x, y)
        rows = max(1, min(rows_per_request, EVALUATE_BYTES // max(1, x[:1].nbytes + y[:1].nbytes)))
        parts: list[Evaluation] = []
        for start in range(0, len(x), rows):
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
        clip_grad_norm: float | None = None,
        progress: bool | Progress = False,
        if_match: int | None = None,
        idempotency_key: str | None = None,
    ) -> Trained:
        """Forward, backward and optimizer steps over x [N,C,H,W] and y; the new version.

        One request and one version; with `steps_per_request` (of `batch_size` rows) several, each a transaction
        of its own; they are then shuffled here, by (shuffle_seed, epoch). `progress` shows them as one bar (or is
        called with images done, images in all, and the last loss).
        """
        x, y = paired(x, y)
        plan = Plan(len(y), epochs, batch_size, shuffle_seed, steps_per_request, if_match, idempotency_key)
        changed = {"optimizer": optimizer, "loss": loss, "schedule": schedule, "clip_grad_norm": clip_grad_norm}

        def send(x: Array, y: Array, options: Options, if_match: int | None, key: str | None) -> Trained:
            return self._write(paths.TRAIN, {"x": x, "y": y}, {**changed, **options}, if_match, key)

        return run(send, x, y, plan, progress)

    @overload
    def fit(
        self, x: Any = None, y: Any = None, *, wait: Literal[True] = True, **options: Unpack[FitOptions]
    ) -> Trained: ...
    @overload
    def fit(self, x: Any = None, y: Any = None, *, wait: Literal[False], **options: Unpack[FitOptions]) -> Job: ...
    @overload
    def fit(self, x: Any = None, y: Any = None, *, wait: bool, **options: Unpack[FitOptions]) -> Trained | Job: ...
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        *,
        dataset: str | None = None,
        epochs: int = 1,
        batch_size: int = 64,
        shuffle_seed: int | None = None,
        commit_every: int = 100,
        optimizer: Options | None = None,
        loss: Options | None = None,
        schedule: Options | None = None,
        clip_grad_norm: float | None = None,
        wait: bool = True,
        progress: bool | Progress = True,
        if_match: int | None = None,
        idempotency_key: str | None = None,
    ) -> Trained | Job:
        """Train as a job of the service, which goes on whatever becomes of this process; the last version.

        On the dataset named, or on x [N,C,H,W] and y, which are stored as the dataset `fit-<their SHA-256>`.
        A version after every `commit_every` steps or each second; cancelled, the last one of them. JobFailed where
        a step is not finite. Without `wait` the Job, at once. `progress` is that of `train`.
        """
        if (x is None) != (y is None) or (x is None) == (dataset is None):
            raise ConvserveError("fit takes x and y, or the name of a dataset; give it one of the two")
        stored = [datasets.put(self._transport, x, y)] if dataset is None else datasets.every(self._transport)
        dataset = stored[0].name if dataset is None else dataset
        asked = {
            "dataset": dataset, "epochs": epochs, "batch_size": batch_size, "shuffle_seed": shuffle_seed,
            "commit_every": commit_every, "optimizer": optimizer, "loss": loss, "schedule": schedule,
            "clip_grad_norm": clip_grad_norm,
        }  # fmt: skip
        body = {member: value for member, value in asked.items() if value is not None}
        reply = self._transport.write("POST", self.path(paths.FIT), body, key=idempotency_key, if_match=if_match)
        started = decode.job(reply)
        job = Job(self._transport, started.job)
        if not wait:
            return job
        full = started.steps // epochs * batch_size  # where the dataset of a repeated call is gone
        rows = next((found.rows for found in stored if found.name == dataset), full)
        return finish(job, rows, batch_size, epochs, self._version, progress)

    def step(
        self,
        gradients: Gradients | Mapping[str, Array],
        *,
        buffers: Mapping[str, Array] | None = None,
        optimizer: Options | None = None,
        schedule: Options | None = None,
        clip_grad_norm: float | None = None,
        if_match: int | None = None,
        idempotency_key: str | None = None,
    ) -> Trained:
        """One optimizer step with gradients from anywhere, one for every parameter."""
        brought = gradients.parameters if isinstance(gradients, Gradients) else gradients
        inputs = {GRAD + name: np.asarray(value, np.float32) for name, value in brought.items()}
        inputs |= {f"buffer/{name}": np.asarray(value) for name, value in (buffers or {}).items()}
        options = {"optimizer": optimizer, "schedule": schedule, "clip_grad_norm": clip_grad_norm}
        return self._write(paths.STEP, inputs, options, if_match, idempotency_key)

    def weights(self, *, version: Which = None) -> dict[str, Array]:
        """Parameters and buffers under PyTorch's names and shapes."""
        return safetensors.load(self._transport.read("GET", self.path(paths.WEIGHTS, version)).body)

    def put_weights(
        self,
        tensors: Mapping[str, Array] | str | os.PathLike[str],
        *,
        if_match: int | None = None,
        idempotency_key: str | None = None,
    ) -> Trained:
        """Replace the weights by arrays or by a safetensors file; the optimizer starts afresh."""
        data = safetensors.save(tensors) if isinstance(tensors, Mapping) else Path(tensors).read_bytes()
        path = self.path(paths.WEIGHTS)
        return decode.trained(self._transport.write("PUT", path, data, key=idempotency_key, if_match=if_match))

    def architecture(self) -> dict[str, Any]:
        """What the model was created from, with every layer's output shape and the number of parameters."""
        described: dict[str, Any] = self._transport.read("GET", self.path(paths.ARCHITECTURE)).json()
        return described

    def metadata(self, *, version: Which = None) -> dict[str, Any]:
        """V2's metadata: versions, inputs, outputs."""
        described: dict[str, Any] = self._transport.read("GET", self.path(paths.MODEL, version)).json()
        return described

    def versions(self, *, limit: int = 100, before: int | None = None) -> list[Version]:
        """The history, newest first."""
        path = f"{self.path(paths.VERSIONS)}?limit={limit}" + (f"&before={before}" if before else "")
        return decode.versions(self._transport.read("GET", path))

    def rollback(
        self, version: int | str, *, if_match: int | None = None, idempotency_key: str | None = None
    ) -> Trained:
        """A new version with an older one's state, optimizer included."""
        body, path = {"version": str(version)}, self.path(paths.ROLLBACK)
        return decode.trained(self._transport.write("POST", path, body, key=idempotency_key, if_match=if_match))

    def alias(
        self, alias: str, version: int | str, *, if_match: int | None = None, idempotency_key: str | None = None
    ) -> None:
        """Let a name such as `production` mean a version."""
        body, path = {"version": str(version)}, self.path(paths.ALIAS, alias=alias)
        self._transport.write("PUT", path, body, key=idempotency_key, if_match=if_match)

    def delete_alias(self, alias: str, *, if_match: int | None = None, idempotency_key: str | None = None) -> None:
        path = self.path(paths.ALIAS, alias=alias)
        self._transport.write("DELETE", path, key=idempotency_key, if_match=if_match)

    def delete(self, *, if_match: int | None = None, idempotency_key: str | None = None) -> None:
        """Delete the model and all its versions."""
        self._transport.write("DELETE", self.path(paths.MODEL), key=idempotency_key, if_match=if_match)

    def path(self, path: str, version: Which = None, **parts: str) -> str:
        """One of the wire's paths for this model; whatever a name holds, it stays one part of the path."""
        quoted = {name: quote(part, safe="") for name, part in {**parts, "model": self.name}.items()}
        return paths.fill(path, version=None if version is None else quote(str(version), safe=""), **quoted)

    def _version(self, number: int) -> Version:
        return self.versions(limit=1, before=number + 1)[0]

    def _predict(self, pictures: list[Any], path: str) -> list[Prediction]:
        """As JSON where they are numbers, as a file where it is one, else as multipart."""
        if not pictures:
            return []
        if any(map(numbers, pictures)):
            return decode.predictions(self._transport.read("POST", path, {"instances": instances(pictures)}))
        if len(pictures) == 1:
            data = picture(pictures[0])
            return decode.predictions(self._transport.read("POST", path, data, **{"Content-Type": media_type(data)}))
        files = [("image", (str(at), picture(one))) for at, one in enumerate(pictures)]
        return decode.predictions(self._transport.read_files(path, files))

    def _ask(
        self,
        path: str,
        version: Which,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] | None,
        options: Options | None = None,
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        return decode.tensors(self._envelope(path, version, inputs, outputs, options))

    def _envelope(
        self,
        path: str,
        version: Which,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] | None,
        options: Options | None,
        **headers: str,
    ) -> Reply:
        body, length = encode_request(inputs, outputs, options)
        sent = {HEADER_LENGTH: str(length), "Content-Type": "application/octet-stream", **headers}
        return self._transport.read("POST", self.path(path, version), body, **sent)

    def _write(
        self, path: str, inputs: Mapping[str, Array], options: Options, if_match: int | None, key: str | None
    ) -> Trained:
        body, length = encode_request(inputs, None, options)
        headers = {HEADER_LENGTH: str(length), "Content-Type": "application/octet-stream"}
        reply = self._transport.write("POST", self.path(path), body, key=key, if_match=if_match, **headers)
        return decode.trained(reply)
