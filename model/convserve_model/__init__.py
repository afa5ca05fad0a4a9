"""convserve_model: convolutional networks in NumPy, forward and backward written by hand. Arrays in, arrays out."""

from convserve_model import explain, safetensors
from convserve_model.engine import Engine, Evaluation, batches
from convserve_model.errors import (
    ArchitectureError,
    InputError,
    ModelError,
    NonFiniteError,
    OptionError,
    SafetensorsError,
    TargetError,
    WeightsError,
)
from convserve_model.explain import METHODS
from convserve_model.layers import LAYERS
from convserve_model.losses import LOSSES
from convserve_model.network import Network, Node
from convserve_model.optimizers import OPTIMIZERS
from convserve_model.preprocess import Preprocess
from convserve_model.schedules import SCHEDULES
from convserve_model.snapshot import Snapshot
from convserve_model.training import Training

__all__ = [
    "LAYERS",
    "LOSSES",
    "METHODS",
    "OPTIMIZERS",
    "SCHEDULES",
    "ArchitectureError",
    "Engine",
    "Evaluation",
    "InputError",
    "ModelError",
    "Network",
    "Node",
    "NonFiniteError",
    "OptionError",
    "Preprocess",
    "SafetensorsError",
    "Snapshot",
    "TargetError",
    "Training",
    "WeightsError",
    "batches",
    "explain",
    "safetensors",
]
