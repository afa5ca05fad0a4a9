"""What clients that were written for Triton read: its statistics, and its configuration of a model."""

from collections.abc import Sequence
from typing import Any, Literal, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from convserve_wire.replies.fields import CLOSED, Number


@with_config(CLOSED)
class Duration(TypedDict):
    """How often, and how long in all, in nanoseconds."""

    count: int
    ns: int


@with_config(CLOSED)
class Computing(TypedDict):
    """The parts of an inference."""

    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration


@with_config(CLOSED)
class InferenceStatistics(Computing):
    """Of whole requests, of their wait for a thread, and of the parts of their work; there is no cache."""

    success: Duration
    fail: Duration
    queue: Duration
    cache_hit: Duration
    cache_miss: Duration


@with_config(CLOSED)
class BatchStatistics(Computing):
    """Of the requests with so many rows."""

    batch_size: int


@with_config(CLOSED)
class VersionStatistics(TypedDict):
    """Of one version, over all processes, since the server's start; `last_inference` in milliseconds since 1970."""

    name: str
    version: Number
    last_inference: int
    inference_count: int
    execution_count: int
    inference_stats: InferenceStatistics
    response_stats: dict[str, Any]
    batch_stats: Sequence[BatchStatistics]
    memory_usage: Sequence[Any]


@with_config(CLOSED)
class Statistics(TypedDict):
    """Every version that answered, and the newest."""

    model_stats: Sequence[VersionStatistics]


@with_config(CLOSED)
class ConfigurationTensor(TypedDict):
    """An input or output, without its batch dimension."""

    name: str
    data_type: Literal["TYPE_FP32"]
    dims: Sequence[int]
    is_shape_tensor: bool
    format: NotRequired[Literal["FORMAT_NCHW"]]
    allow_ragged_batch: NotRequired[bool]
    optional: NotRequired[bool]
    label_filename: NotRequired[str]


@with_config(CLOSED)
class InstanceGroup(TypedDict):
    """The processes that answer."""

    name: str
    kind: Literal["KIND_CPU"]
    count: int
    gpus: Sequence[int]


@with_config(CLOSED)
class Configuration(TypedDict):
    """A model's configuration in Triton's form."""

    name: str
    platform: str
    backend: str
    runtime: str
    version_policy: dict[str, Any]
    max_batch_size: int
    input: Sequence[ConfigurationTensor]
    output: Sequence[ConfigurationTensor]
    instance_group: Sequence[InstanceGroup]
    default_model_filename: str
    model_transaction_policy: dict[str, bool]
    parameters: dict[str, Any]
