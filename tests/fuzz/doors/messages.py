"""Messages without tensors, as JSON or as a query; of an architecture, the whole specification of a model."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from urllib.parse import parse_qsl, quote_plus

import orjson
from pydantic import BaseModel

from convserve_model import ModelError
from convserve_service import specification
from convserve_service.errors import RequestError
from convserve_service.openapi.examples import EXAMPLES
from convserve_wire import messages
from convserve_wire.errors import WireError
from convserve_wire.messages import ModelSpec, parse, parse_query
from convserve_wire.tensors import from_json, nested_shape
from tests.crash.promises import demand
from tests.fuzz.doors import bytewise, jsonwise
from tests.fuzz.doors.door import Case, Door, refused, taken

KINDS: dict[bytes, type[BaseModel]] = {
    b"create": ModelSpec,
    b"predict": messages.PredictRequest,
    b"v1_predict": messages.V1Request,
    b"index": messages.IndexRequest,
    b"load": messages.LoadRequest,
    b"unload": messages.LoadRequest,
    b"rollback": messages.VersionRequest,
    b"set_alias": messages.VersionRequest,
    b"fit": messages.FitRequest,
}
QUERY = b"query"
QUERIES = (
    b"method=saliency&target=1",
    b"method=integrated_gradients&steps=50&baseline=0.5&baseline=1",
    b"method=smoothgrad&samples=20&noise=0.1&seed=7",
    b"method=grad_cam&layer=conv",
)
LARGE = {
    "architecture": {
        "input": [3, 32, 32],
        "layers": [
            {"type": "conv2d", "name": "a", "out_channels": 8, "kernel_size": [3, 5], "padding": [1, 2], "stride": 2},
            {"type": "batch_norm2d", "name": "b", "eps": 1e-5, "momentum": 0.1},
            {"type": "conv2d", "name": "c", "out_channels": 8, "kernel_size": 1, "groups": 4, "inputs": ["b"]},
            {"type": "add", "inputs": ["b", "c"]},
            {"type": "avg_pool2d", "kernel_size": 2, "stride": 1},
            {"type": "dropout", "p": 0.5},
            {"type": "flatten"},
            {"type": "linear", "out_features": 10},
        ],
    },
    "labels": [str(i) for i in range(10)],
    "preprocess": {"mean": [0.5, 0.4, 0.3], "std": 0.2, "resize": "fit", "color": "RGB", "scale": 0.1, "invert": True},
    "training": {
        "loss": {"name": "huber"},
        "optimizer": {"name": "adamw", "betas": [0.9, 0.99], "eps": 1e-8, "weight_decay": 0.1},
        "schedule": {"name": "cosine", "t_max": 100, "eta_min": 1e-5, "warmup_steps": 3},
        "clip_grad_norm": 1.0,
    },
    "seed": 7,
}
WORDS = tuple(f'"{word}"'.encode() for word in (
    "type", "name", "inputs", "conv2d", "linear", "flatten", "relu", "max_pool2d", "add", "concat", "softmax",
    "sigmoid",
    "sgd", "adam", "rmsprop", "mse", "cross_entropy", "step", "constant", "kernel_size", "out_channels", "groups",
    "stride",
    "padding", "dilation", "b64", "version", "1", "dataset", "conv", "0",
))  # fmt: skip


def door(_: Path) -> Door:
    return Door(seeds(), change, ask, peak=128 << 20)


def seeds() -> list[Case]:
    """The examples of /openapi.json, and a model with more in it."""
    cases = [(kind, orjson.dumps(EXAMPLES[kind.decode()])) for kind in KINDS]
    return [*cases, (b"create", orjson.dumps(LARGE)), *((QUERY, query) for query in QUERIES)]


def change(random: Random, case: Case) -> Case:
    kind, text = case
    if kind == QUERY:
        return kind, _query(random, text)
    if random.random() < 0.02:
        return random.choice(tuple(KINDS)), text
    return kind, jsonwise.changed(random, text, WORDS)


def ask(case: Case) -> str:
    """What is taken can be told: the JSON of a specification makes the same one again."""
    kind, text = case
    try:
        if kind == QUERY:
            found = parse_query(messages.ExplainQuery, _arguments(text))
            return taken("query", found.method, *sorted(found.model_fields_set))
        message = parse(KINDS[kind], text)
        if isinstance(message, messages.PredictRequest):
            for value in message.instances:
                if isinstance(value, list):
                    from_json(value, "FP32", nested_shape(value), "instances[0]")
        if not isinstance(message, ModelSpec):
            return taken(kind.decode(), *sorted(message.model_fields_set))
        made = specification.from_message(message)
    except (WireError, ModelError, RequestError) as error:
        return refused(error)
    again = specification.from_text(made.text)
    demand(again.text == made.text, "a specification can be told", made.text[:2000])
    demand(made.network.parameter_count <= specification.MAX_PARAMETERS, "it has its bounds", made.text[:2000])
    return taken("create", *sorted({type(node.layer).__name__ for node in made.network.nodes}))


def _query(random: Random, text: bytes) -> bytes:
    """A value in another form, or bytes in another order."""
    if random.random() < 0.3:
        return bytewise.changed(random, text, (b"&", b"=", b"%", b"%ff", b"%00", b"+", b";", *QUERIES))
    parts = text.split(b"&")
    at = random.randrange(len(parts))
    name, _, value = parts[at].partition(b"=")
    parts[at] = name + b"=" + quote_plus(jsonwise.changed(random, value or b"0")[:2000]).encode()
    return b"&".join(parts)


def _arguments(text: bytes) -> Mapping[str, str]:
    """As werkzeug has them, the first of each name; what is no UTF-8 is replaced."""
    pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True, errors="replace")
    return dict(reversed(pairs))
