"""Every operation of the service in one table: what an endpoint answers, a key opens, a metric counts, the docs say."""

from typing import Any

from convserve_model import METHODS
from convserve_service.operations import BINARY, Media, Operation, Query, Scope
from convserve_wire import paths, replies
from convserve_wire.messages import (
    EvaluateRequest,
    ExplainRequest,
    FitRequest,
    GradientsRequest,
    IndexRequest,
    InferRequest,
    LoadRequest,
    ModelSpec,
    Pictures,
    PredictRequest,
    StepRequest,
    TrainRequest,
    V1Request,
    VersionRequest,
)

JSON, BYTES = "application/json", "application/octet-stream"
FILE: Media = {BYTES: BINARY}
PICTURE: Media = {"image/png": BINARY, "image/jpeg": BINARY}
PICTURES: Media = {**PICTURE, "multipart/form-data": Pictures}
KEY = ("Idempotency-Key",)
KNOWN = ("If-None-Match",)
MATCH = (*KEY, "If-Match")
PAGE = (Query("limit", "How many", 1, 1000), Query("before", "Only those with a smaller number", 1))


def _json(message: Any) -> Media:
    return {JSON: message}


def _tensors(message: Any) -> Media:
    """The V2 envelope: JSON, or a JSON header and the raw tensors behind it."""
    return {JSON: message, BYTES: BINARY}


# fmt: off
LIVE = Operation("live", "GET", paths.LIVE, None, "Whether the process runs", reply=_json(replies.Alive))
READY = Operation(
    "ready", "GET", paths.READY, None, "Whether it can predict, and write",
    reply=_json(replies.Readiness), statuses=(200, 503),
)
SERVER = Operation(
    "server", "GET", paths.SERVER, Scope.INFER, "The server: version, extensions, limits",
    reply=_json(replies.Server),
)
INDEX = Operation(
    "index", "POST", paths.INDEX, Scope.INFER, "Every model",
    body=_json(IndexRequest), bare=True, reply=_json(replies.Index),
)
LOAD = Operation(
    "load", "POST", paths.LOAD, Scope.ADMIN, "Let a model answer", body=_json(LoadRequest), bare=True, headers=KEY,
    reply=_json(replies.Nothing),
)
UNLOAD = Operation(
    "unload", "POST", paths.UNLOAD, Scope.ADMIN, "Let a model answer no one; its versions stay",
    body=_json(LoadRequest), bare=True, headers=KEY, reply=_json(replies.Nothing),
)
CREATE = Operation(
    "create", "PUT", paths.MODEL, Scope.ADMIN, "Create a model: architecture, labels, preprocess, training, seed",
    body=_json(ModelSpec), statuses=(201, 200), headers=KEY, reply=_json(replies.Created),
)
METADATA = Operation(
    "metadata", "GET", paths.MODEL, Scope.INFER, "V2 metadata of a model", versions=True,
    reply=_json(replies.Metadata),
)
DELETE = Operation(
    "delete", "DELETE", paths.MODEL, Scope.ADMIN, "Delete a model and all its versions", headers=MATCH,
    reply=_json(replies.ModelDeleted),
)
MODEL_READY = Operation(
    "model_ready", "GET", paths.MODEL_READY, Scope.INFER, "Whether a model answers", versions=True,
    reply=_json(replies.ModelReadiness),
)
CONFIG = Operation(
    "config", "GET", paths.CONFIG, Scope.INFER, "A model's configuration in Triton's form", versions=True,
    reply=_json(replies.Configuration),
)
STATISTICS = Operation(
    "statistics", "GET", paths.STATISTICS, Scope.INFER, "Counts and times of a model's inferences", versions=True,
    reply=_json(replies.Statistics),
)
ALL_STATISTICS = Operation(
    "all_statistics", "GET", paths.ALL_STATISTICS, Scope.INFER, "The same of every model",
    reply=_json(replies.Statistics),
)
ARCHITECTURE = Operation(
    "architecture", "GET", paths.ARCHITECTURE, Scope.INFER,
    "What was put, defaults filled in, with every layer's shape", reply=_json(replies.Description),
)
INFER = Operation(
    "infer", "POST", paths.INFER, Scope.INFER, "Logits, or the activation after any layer",
    body=_tensors(InferRequest), versions=True, reply=_tensors(replies.Tensors),
)
PREDICT = Operation(
    "predict", "POST", paths.PREDICT, Scope.INFER, "Pictures in, labels and probabilities out",
    body={**_json(PredictRequest), **PICTURES}, query=(Query("top_k", "How many classes", 1, 1000),), versions=True,
    reply=_json(replies.Predictions),
)
GRADIENTS = Operation(
    "gradients", "POST", paths.GRADIENTS, Scope.GRADIENTS,
    "Loss, and gradients of parameters and inputs; nothing is changed", body=_tensors(GradientsRequest), versions=True,
    reply=_tensors(replies.Tensors),
)
EVALUATE = Operation(
    "evaluate", "POST", paths.EVALUATE, Scope.INFER, "Loss, accuracy, counts for each class",
    body=_tensors(EvaluateRequest), versions=True, reply=_json(replies.Evaluated),
)
EXPLAIN = Operation(
    "explain", "POST", paths.EXPLAIN, Scope.GRADIENTS, "What a prediction rests on: tensors, or a heat map",
    body={**_tensors(ExplainRequest), **PICTURE}, reply={**_tensors(replies.Tensors), "image/png": BINARY},
    query=(
        Query("method", "Of a picture: how to explain", choices=tuple(METHODS)),
        Query("target", "The class that is asked about, by default the most probable one", 0),
        Query("steps", "Of integrated_gradients", 1, 1000),
        Query("baseline", "Of integrated_gradients: a number, in the units of the network's input"),
        Query("samples", "Of smoothgrad", 1, 1000),
        Query("noise", "Of smoothgrad: standard deviation, from 0 to 1 as a part of the input's range"),
        Query("seed", "Of smoothgrad", 0),
        Query("layer", "Of grad_cam: by default the last convolution"),
    ),
    versions=True,
)
TRAIN = Operation(
    "train", "POST", paths.TRAIN, Scope.TRAIN, "Steps over x and y: one request, one transaction, one new version",
    body=_tensors(TrainRequest), headers=MATCH, reply=_tensors(replies.Trained),
)
STEP = Operation(
    "step", "POST", paths.STEP, Scope.TRAIN, "One optimizer step with gradients that the client brings",
    body=_tensors(StepRequest), headers=MATCH, reply=_json(replies.Written),
)
GET_WEIGHTS = Operation(
    "get_weights", "GET", paths.WEIGHTS, Scope.GRADIENTS,
    "The weights as safetensors, under PyTorch's names and shapes", versions=True, headers=KNOWN,
    reply=FILE, statuses=(200, 304),
)
PUT_WEIGHTS = Operation(
    "put_weights", "PUT", paths.WEIGHTS, Scope.TRAIN, "A new version with these weights", body=FILE, headers=MATCH,
    reply=_json(replies.Written),
)
VERSIONS = Operation(
    "versions", "GET", paths.VERSIONS, Scope.INFER, "The history, newest first", query=PAGE,
    reply=_json(replies.Versions),
)
ROLLBACK = Operation(
    "rollback", "POST", paths.ROLLBACK, Scope.ADMIN, "A new version with an older one's state",
    body=_json(VersionRequest), headers=MATCH, reply=_json(replies.Written),
)
SET_ALIAS = Operation(
    "set_alias", "PUT", paths.ALIAS, Scope.ADMIN, "Let a name mean a version",
    body=_json(VersionRequest), headers=MATCH, reply=_json(replies.Alias),
)
DELETE_ALIAS = Operation(
    "delete_alias", "DELETE", paths.ALIAS, Scope.ADMIN, "Forget a version's name", headers=MATCH,
    reply=_json(replies.AliasDeleted),
)
FIT = Operation(
    "fit", "POST", paths.FIT, Scope.TRAIN, "Train on a stored dataset, as a job",
    body=_json(FitRequest), statuses=(202,), headers=MATCH, reply=_json(replies.Job),
)
JOBS = Operation(
    "jobs", "GET", paths.JOBS, Scope.TRAIN, "Every job, newest first", query=PAGE,
    reply=_json(replies.Jobs),
)
JOB = Operation("job", "GET", paths.JOB, Scope.TRAIN, "State, step, loss, speed, time left", reply=_json(replies.Job))
EVENTS = Operation(
    "events", "GET", paths.EVENTS, Scope.TRAIN, "The same after each commit, as Server-Sent Events",
    reply={"text/event-stream": replies.Progress}, statuses=(200, 204), headers=("Last-Event-ID",),
)
CANCEL = Operation(
    "cancel", "POST", paths.CANCEL, Scope.TRAIN, "End a job at its next step; what it has committed stays",
    headers=KEY, reply=_json(replies.Job),
)
DATASETS = Operation("datasets", "GET", paths.DATASETS, Scope.TRAIN, "Every dataset", reply=_json(replies.Datasets))
PUT_DATASET = Operation(
    "put_dataset", "PUT", paths.DATASET, Scope.TRAIN, "Store rows x and targets y, a safetensors file",
    body=FILE, statuses=(201, 200), headers=KEY, reply=_json(replies.Dataset),
)
GET_DATASET = Operation(
    "get_dataset", "GET", paths.DATASET, Scope.TRAIN, "A dataset's bytes", headers=KNOWN, reply=FILE,
    statuses=(200, 304),
)
DELETE_DATASET = Operation(
    "delete_dataset", "DELETE", paths.DATASET, Scope.TRAIN, "Remove a dataset that no unfinished job needs",
    headers=KEY, reply=_json(replies.DatasetDeleted),
)
ROOT = Operation(
    "root", "GET", paths.ROOT, None, "Leads a browser to this page; tells others that the process runs, as V1 does",
    reply=_json(replies.V1Alive), statuses=(200, 302),
)
OPENAPI = Operation(
    "openapi", "GET", paths.OPENAPI, None, "This document", headers=KNOWN, reply=_json(replies.OpenAPI),
    statuses=(200, 304),
)
DOCS = Operation(
    "docs", "GET", paths.DOCS, None, "This page", headers=KNOWN, reply={"text/html": BINARY}, statuses=(200, 304),
)
ASSET = Operation(
    "asset", "GET", paths.ASSET, None, "A file of this page", headers=KNOWN,
    reply={"text/javascript": BINARY, "text/css": BINARY, "image/svg+xml": BINARY}, statuses=(200, 304),
)
METRICS = Operation(
    "metrics", "GET", paths.METRICS, Scope.INFER, "Metrics for Prometheus, over all processes",
    reply={"text/plain": BINARY, "application/openmetrics-text": BINARY},
)
V1_INDEX = Operation(
    "v1_index", "GET", paths.V1_INDEX, Scope.INFER, "Every model's name, in the V1 protocol",
    reply=_json(replies.V1Index),
)
V1_READY = Operation(
    "v1_ready", "GET", paths.V1_READY, Scope.INFER, "Whether a model answers, in the V1 protocol",
    reply=_json(replies.V1Readiness), statuses=(200, 503),
)
V1_PREDICT = Operation(
    "v1_predict", "POST", paths.V1_PREDICT, Scope.INFER, "Instances in, logits out, in the V1 protocol",
    body=_json(V1Request), reply=_json(replies.V1Predictions),
)
