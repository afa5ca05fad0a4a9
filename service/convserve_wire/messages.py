"""What clients send, as frozen and closed pydantic models: unknown members are refused, known ones are strict.

Numbers of optimizers, losses and layers are checked where they are defined, in the model library.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict

from convserve_wire.datatypes import DATATYPES
from convserve_wire.errors import TooLarge, WireError
from convserve_wire.names import NAME

CLOSED = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)  # built for the first that comes
OPEN = ConfigDict(extra="ignore", frozen=True, strict=True, defer_build=True)
FREE = ConfigDict(extra="allow", frozen=True, strict=True, defer_build=True)
Options = dict[str, Any]
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
Count = Annotated[int, Field(ge=1, lt=1 << 31)]
M = TypeVar("M", bound=BaseModel)
MAX_VALUES = 4_000_000  # of a JSON body: each takes up to 220 bytes of memory
Name = Annotated[str, Field(min_length=1, max_length=128)]
MOST_TENSORS = 10_000
REMEMBERED = 64  # documents that may come again, such as headers of binary requests
LONGEST_REMEMBERED = 512  # bytes; as values they take up to a hundred times as many
MOST_TOLD = 100  # characters of what a client sent
Version = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]


def _given(value: Any) -> Any:
    return {} if value is None else value


Parameters = Annotated[  # some stock clients send null for none
    Options, BeforeValidator(_given), Field(json_schema_extra={"type": ["object", "null"]})
]


class TensorHeader(BaseModel):
    """A tensor of a request: `data` in JSON, or `parameters.binary_data_size` bytes after the header."""

    model_config = OPEN
    name: Name
    shape: list[int]
    datatype: Annotated[str, Field(json_schema_extra={"enum": list(DATATYPES)})]
    data: Annotated[Any, Field(description="The elements, nested or flat.")] = None
    parameters: Parameters = {}


class OutputHeader(BaseModel):
    """An output asked for."""

    model_config = OPEN
    name: Name
    parameters: Parameters = {}


class InferRequest(BaseModel):
    """The standard envelope; stock clients add members, which are ignored."""

    model_config = OPEN
    id: str | None = Field(default=None, max_length=256)
    parameters: Parameters = {}
    inputs: tuple[TensorHeader, ...] = Field(max_length=MOST_TENSORS)
    outputs: tuple[OutputHeader, ...] | None = Field(default=None, max_length=MOST_TENSORS)


class IndexRequest(BaseModel):
    """Which models the repository is to list; stock clients send nothing."""

    model_config = OPEN
    ready: bool = False


class LoadRequest(BaseModel):
    """What stock clients send to load or unload a model."""

    model_config = OPEN
    parameters: Parameters = {}


class OurTensorHeader(TensorHeader):
    model_config = CLOSED


class OurOutputHeader(OutputHeader):
    model_config = CLOSED


class OurRequest(InferRequest):
    """The same envelope on our verbs, closed; options are top-level members."""

    model_config = CLOSED
    inputs: tuple[OurTensorHeader, ...] = Field(max_length=MOST_TENSORS)
    outputs: tuple[OurOutputHeader, ...] | None = Field(default=None, max_length=MOST_TENSORS)


class Message(BaseModel):
    model_config = CLOSED


class GradientsRequest(OurRequest):
    """Inputs x and y, or x and cotangent; outputs loss, logits, layers, grad/<parameter>, grad/x."""

    mode: Literal["eval", "train"] = "eval"
    dropout_seed: Seed | None = None
    loss: Options | None = None


class TrainRequest(OurRequest):
    """Inputs x and y; numbers of the model's families may be overridden for this request."""

    epochs: int = Field(default=1, ge=1, le=1000)
    batch_size: Count | None = None
    shuffle_seed: Seed | None = None
    optimizer: Options | None = None
    loss: Options | None = None
    schedule: Options | None = None
    clip_grad_norm: float | None = None


class StepRequest(OurRequest):
    """Inputs grad/<parameter> for every parameter, buffer/<name> for any buffer."""

    optimizer: Options | None = None
    schedule: Options | None = None
    clip_grad_norm: float | None = None


class EvaluateRequest(OurRequest):
    """Inputs x and y."""

    loss: Options | None = None


class Explaining(Message):
    """A method and its numbers; those that it does not have are refused where it is made."""

    method: Literal["saliency", "input_x_gradient", "integrated_gradients", "smoothgrad", "grad_cam"]
    steps: int | None = Field(default=None, ge=1, le=1000)  # of integrated_gradients
    baseline: float | Sequence[float] | None = None  # of integrated_gradients, in the units of the network's input
    samples: int | None = Field(default=None, ge=1, le=1000)  # of smoothgrad
    noise: float | None = Field(default=None, ge=0, le=1)  # of smoothgrad, a part of the row's range
    seed: Seed | None = None  # of smoothgrad
    layer: str | None = None  # of grad_cam

    def options(self) -> Options:
        """The numbers that were given."""
        return self.model_dump(include=set(Explaining.model_fields) - {"method"}, exclude_none=True)


class ExplainRequest(OurRequest, Explaining):
    """Inputs x and target; outputs explanation, completeness_error, target."""


class ExplainQuery(Explaining):
    """The same for a picture, in the query."""

    target: int | None = Field(default=None, ge=0, lt=1 << 31)


class Layer(BaseModel):
    """A layer of an architecture; its other fields are those of its type."""

    model_config = FREE
    type: Annotated[str, Field(max_length=64)]
    name: Annotated[str, Field(max_length=64)] = ""  # its position, when it is not given
    inputs: Sequence[Annotated[str, Field(max_length=64)]] = ()  # the layer before, when they are not given


class Family(BaseModel):
    """A loss, optimizer or schedule by name; its other fields are those of its family."""

    model_config = FREE
    name: Annotated[str, Field(max_length=64)]


class Architecture(Message):
    """Input [channels, height, width] and the list of layers."""

    input: Sequence[int]
    layers: Annotated[Sequence[Layer], Field(max_length=1000)]


class Training(Message):
    loss: Family | None = None
    optimizer: Family | None = None
    schedule: Family | None = None
    clip_grad_norm: float | None = None


class Preprocess(Message):
    """How an image becomes `x`; mean and std are a number or one for each channel."""

    color: Literal["L", "RGB"] | None = None
    resize: Literal["stretch", "fit", "fill"] = "stretch"
    scale: float | None = None
    mean: float | Sequence[float] | None = None
    std: float | Sequence[float] | None = None
    invert: bool = False


class ModelSpec(Message):
    """The body that creates a model."""

    architecture: Architecture
    labels: Sequence[Annotated[str, Field(min_length=1, max_length=256)]] | None = None
    preprocess: Preprocess = Preprocess()
    training: Training = Training()
    seed: Seed = 0


class VersionRequest(Message):
    """The body of rollback and of an alias."""

    version: Version


class FitRequest(Message):
    """A long training on a stored dataset; numbers of the model's families may be overridden for this job."""

    dataset: str
    epochs: int = Field(default=1, ge=1, le=100_000)
    batch_size: Count = 64
    shuffle_seed: Seed | None = None
    commit_every: Count = 100
    optimizer: Options | None = None
    loss: Options | None = None
    schedule: Options | None = None
    clip_grad_norm: float | None = None


class Base64Image(Message):
    b64: str


class PredictRequest(Message):
    """`instances`: numbers [C,H,W] or [H,W] as they are, or PNG or JPEG bytes in base64."""

    instances: list[Base64Image | list[Any]] = Field(min_length=1)


class V1Request(PredictRequest):
    """The same in the V1 protocol, whose clients may add members."""

    model_config = OPEN


class Pictures(TypedDict):
    """A multipart body: each part named image is a PNG or JPEG."""

    image: Sequence[bytes]


def parse(model: type[M], body: bytes | memoryview) -> M:
    """The message in a JSON body; WireError names the first member that does not fit."""
    text = bytes(body)
    if len(text) > MAX_VALUES and (count := sum(map(text.count, (b",", b"[", b"{")))) > MAX_VALUES:
        raise TooLarge(
            f"the JSON holds about {count:,} values, but this server takes {MAX_VALUES:,}; send tensors as binary data"
        )
    try:
        return _again(model, text) if len(text) <= LONGEST_REMEMBERED else model.model_validate_json(text)
    except ValidationError as error:
        raise WireError(*_first(error)) from error


@lru_cache(REMEMBERED)
def _again(model: type[M], text: bytes) -> M:
    """Messages are frozen: whoever sends the same text may have the same one. What does not fit is not remembered."""
    return model.model_validate_json(text)


def parse_query(model: type[M], query: Mapping[str, str]) -> M:
    """The message in a query, whose numbers are text; WireError names the first parameter that does not fit."""
    try:
        return model.model_validate_strings(dict(query))
    except ValidationError as error:
        raise WireError(*_first(error)) from error


def _first(error: ValidationError) -> tuple[str, str | None]:
    details = error.errors(include_input=False, include_context=False, include_url=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in details["loc"]).lstrip(".")
    where = path if len(path) <= MOST_TOLD else path[:MOST_TOLD] + "..."
    if details["type"] == "extra_forbidden":
        return f"the request has the unknown member '{where}'; remove it", where
    if details["type"] == "missing":
        return f"the request lacks the member '{where}'; add it", where
    if details["type"] == "json_invalid" and "recursion" in details["msg"]:
        return "the body is JSON nested deeper than 190 levels, which nothing here needs; send flat lists", None
    if details["type"] == "json_invalid":
        return f"the body is not JSON: {details['msg'].removeprefix('Invalid JSON: ')[:200]}", None
    return (f"{where}: " if where else "the body: ") + details["msg"][:300], where or None
