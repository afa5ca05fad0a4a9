"""convserve_client: a pleasant way to a convserve service. NumPy arrays in and out, safe retries, clear errors."""

from convserve_client.client import Client
from convserve_client.errors import (
    Conflict,
    ConnectionFailed,
    ConvserveError,
    Forbidden,
    Invalid,
    JobFailed,
    NotFound,
    PreconditionFailed,
    ReplyError,
    RequestError,
    RequestTimeout,
    ServerError,
    Unauthenticated,
)
from convserve_client.jobs import Job
from convserve_client.model import Model
from convserve_client.results import (
    Choice,
    ClassCount,
    Dataset,
    Evaluation,
    Explanation,
    Gradients,
    JobStatus,
    Prediction,
    Trained,
    Version,
)
from convserve_client.retries import Retries

__all__ = [
    "Choice",
    "ClassCount",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "ConvserveError",
    "Dataset",
    "Evaluation",
    "Explanation",
    "Forbidden",
    "Gradients",
    "Invalid",
    "Job",
    "JobFailed",
    "JobStatus",
    "Model",
    "NotFound",
    "PreconditionFailed",
    "Prediction",
    "ReplyError",
    "RequestError",
    "RequestTimeout",
    "Retries",
    "ServerError",
    "Trained",
    "Unauthenticated",
    "Version",
]
