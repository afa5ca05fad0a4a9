"""The services as one table: what is installed for each, how it is started on two cores, and what it is asked.

All have two workers, or what their documentation says of two cores, and one compute thread in each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.footprint.sides import HOST, OURS
from bench.service.questions import BINARY, JSON, Question, plain, raw, v2, v2_binary
from bench.stores import MODEL
from tests.servers import ROOT

THEIRS = Path(__file__).parent / "competitors"
LENET5 = ROOT / "bench" / "footprint" / "pytorch"
COMPUTING = THEIRS / "requirements-torch.txt"


@dataclass(frozen=True)
class Side:
    """A program of its environment with arguments and variables, which may name {port}, {port2}, {port3} and {data}."""

    name: str
    requirements: tuple[Path, ...]
    packages: tuple[str, ...]  # whose versions are told
    command: tuple[str, ...]
    questions: Mapping[str, Question]
    variables: Mapping[str, str] = field(default_factory=dict)


SIDES = (
    Side(
        OURS,
        (ROOT / "requirements.txt",),
        ("gunicorn", "Flask", "numpy"),
        ("python", "-m", "convserve_service", "serve", "--host", HOST, "--port", "{port}", "--data-dir", "{data}/store",
         "--workers", "2", "--threads", "1", "--drain-seconds", "0"),
        {JSON: v2(), BINARY: v2_binary()},
    ),
    Side(
        "LitServe",
        (COMPUTING, THEIRS / "requirements-litserve.txt"),
        ("litserve", "fastapi", "uvicorn", "torch"),
        ("python", str(THEIRS / "litserve_service.py"), "{port}"),
        {JSON: plain("/predict"), BINARY: raw("/predict-binary")},
    ),
    Side(
        "MLServer",
        (COMPUTING, THEIRS / "requirements-mlserver.txt"),
        ("mlserver", "fastapi", "uvicorn", "torch"),
        ("mlserver", "start", "{data}"),
        {JSON: v2()},
        {
            "MLSERVER_HOST": HOST, "MLSERVER_HTTP_PORT": "{port}", "MLSERVER_GRPC_PORT": "{port2}",
            "MLSERVER_METRICS_PORT": "{port3}", "MLSERVER_METRICS_DIR": "{data}/metrics", "MLSERVER_DEBUG": "false",
            "MLSERVER_PARALLEL_WORKERS": "2", "MLSERVER_MODEL_NAME": MODEL,
            "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_runtime.LeNet5",
        },
    ),
    Side(
        "BentoML",
        (COMPUTING, THEIRS / "requirements-bentoml.txt"),
        ("bentoml", "uvicorn", "torch"),
        ("bentoml", "serve", "bentoml_service:LeNet5", "--working-dir", str(THEIRS), "--host", HOST,
         "--port", "{port}"),
        {JSON: plain("/predict", None)},
        {"BENTOML_HOME": "{data}/bentoml", "BENTOML_DO_NOT_TRACK": "True"},
    ),
    Side(
        "FastAPI",
        (COMPUTING, THEIRS / "requirements-fastapi.txt"),
        ("fastapi", "uvicorn", "torch"),
        ("uvicorn", "fastapi_service:app", "--host", HOST, "--port", "{port}", "--workers", "2", "--no-access-log"),
        {JSON: plain("/predict"), BINARY: raw("/predict-binary")},
    ),
)  # fmt: skip
NAMES = tuple(side.name for side in SIDES)
