"""Every path of the service, written once: `{name}` parts are filled by the client and routed by the service."""

ROOT = "/"
OPENAPI = "/openapi.json"
DOCS = "/docs"
ASSET = "/docs/{asset}"

SERVER = "/v2"
LIVE = "/v2/health/live"
READY = "/v2/health/ready"
INDEX = "/v2/repository/index"
LOAD = "/v2/repository/models/{model}/load"
UNLOAD = "/v2/repository/models/{model}/unload"

MODEL = "/v2/models/{model}"
CONFIG = "/v2/models/{model}/config"
STATISTICS = "/v2/models/{model}/stats"
ALL_STATISTICS = "/v2/models/stats"
MODEL_READY = "/v2/models/{model}/ready"
ARCHITECTURE = "/v2/models/{model}/architecture"
INFER = "/v2/models/{model}/infer"
PREDICT = "/v2/models/{model}/predict"
GRADIENTS = "/v2/models/{model}/gradients"
EXPLAIN = "/v2/models/{model}/explain"
EVALUATE = "/v2/models/{model}/evaluate"
WEIGHTS = "/v2/models/{model}/weights"
TRAIN = "/v2/models/{model}/train"
STEP = "/v2/models/{model}/step"
ROLLBACK = "/v2/models/{model}/rollback"
VERSIONS = "/v2/models/{model}/versions"
ALIAS = "/v2/models/{model}/aliases/{alias}"
FIT = "/v2/models/{model}/fit"

DATASETS = "/v2/datasets"
DATASET = "/v2/datasets/{dataset}"
JOBS = "/v2/jobs"
JOB = "/v2/jobs/{job}"
EVENTS = "/v2/jobs/{job}/events"
CANCEL = "/v2/jobs/{job}/cancel"

METRICS = "/metrics"
V1_INDEX = "/v1/models"
V1_READY = "/v1/models/{model}"
V1_PREDICT = "/v1/models/{model}:predict"


def versioned(path: str) -> str:
    """The path of one version: `/v2/models/{model}/versions/{version}...`."""
    return path.replace("/{model}", "/{model}/versions/{version}", 1)


def fill(path: str, *, version: str | None = None, **parts: str) -> str:
    """The path with its parts; with a version, the path of that version."""
    if version is None:
        return path.format(**parts)
    return versioned(path).format(version=version, **parts)
