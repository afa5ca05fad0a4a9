"""What the service answers, each shape once: dicts that mypy checks where they are made and pydantic describes.

They cost nothing at run time. A member that may be missing is NotRequired; one that may be null is always there.
"""

from convserve_wire.replies.answers import ClassCount, Evaluated, OutputTensor, Prediction, Predictions, Score, Tensors
from convserve_wire.replies.models import Created, Description, Metadata, ModelDeleted, ModelReadiness, TensorMetadata
from convserve_wire.replies.server import Alive, Error, Index, IndexEntry, Limits, Nothing, OpenAPI, Readiness, Server
from convserve_wire.replies.stored import Dataset, DatasetDeleted, Datasets, Job, Jobs, Progress, State
from convserve_wire.replies.triton import Configuration, Statistics, VersionStatistics
from convserve_wire.replies.v1 import V1Alive, V1Index, V1Predictions, V1Readiness
from convserve_wire.replies.versions import Alias, AliasDeleted, Trained, Version, Versions, Written

__all__ = [
    "Alias",
    "AliasDeleted",
    "Alive",
    "ClassCount",
    "Configuration",
    "Created",
    "Dataset",
    "DatasetDeleted",
    "Datasets",
    "Description",
    "Error",
    "Evaluated",
    "Index",
    "IndexEntry",
    "Job",
    "Jobs",
    "Limits",
    "Metadata",
    "ModelDeleted",
    "ModelReadiness",
    "Nothing",
    "OpenAPI",
    "OutputTensor",
    "Prediction",
    "Predictions",
    "Progress",
    "Readiness",
    "Score",
    "Server",
    "State",
    "Statistics",
    "TensorMetadata",
    "Tensors",
    "Trained",
    "V1Alive",
    "V1Index",
    "V1Predictions",
    "V1Readiness",
    "Version",
    "VersionStatistics",
    "Versions",
    "Written",
]
