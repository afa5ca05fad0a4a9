"""The OpenAPI document: whole, valid, and of the same declarations that route and validate."""

import copy
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import ValidationError

from convserve_model import LAYERS, LOSSES, OPTIMIZERS, SCHEDULES, ModelError
from convserve_service import specification
from convserve_service.app import create_app
from convserve_service.openapi.examples import EXAMPLES
from convserve_service.openapi.tags import TAGS
from convserve_service.operations import Operation
from convserve_service.settings import Settings
from convserve_wire.messages import ModelSpec
from tests.servers import environment
from tests.service.calls import call
from tests.service.operations import OPERATIONS

CHANGES: list[tuple[str, Any]] = [  # a place in the body that creates `tiny`, and what is wrong there
    ("architecture", {"input": [1, 4, 4]}),
    ("architecture.layers.0.type", "conv3d"),
    ("architecture.layers.0.kernel_size", "3"),
    ("architecture.layers.0.kernel_size", [3, 3, 3]),
    ("architecture.layers.0.out_channels", None),
    ("architecture.layers.0.stride", True),
    ("architecture.layers.0.slope", 1),
    ("architecture.layers.1.inplace", True),
    ("architecture.layers.1.inputs", "conv"),
    ("architecture.layers.4.bias", "no"),
    ("training.optimizer.name", "lion"),
    ("training.optimizer.betas", [0.9, 0.999]),
    ("training.optimizer.nesterov", 1),
    ("training.schedule", {"name": "step"}),
    ("training.loss", {"name": "huber", "delta": "1"}),
    ("training.clip", 1),
    ("labels", [1, 2]),
    ("seed", -1),
    ("extra", 0),
]


@pytest.fixture(scope="module")
def document(server: str) -> dict[str, Any]:
    """As the service sends it."""
    reply = call("GET", f"{server}/openapi.json")
    assert reply.status_code == 200
    found: dict[str, Any] = reply.json()
    return found


def errors(document: dict[str, Any], component: str, value: Any) -> list[str]:
    """What JSON Schema 2020-12 finds wrong with a value."""
    schema = {"$ref": f"#/components/schemas/{component}", "components": document["components"]}
    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    """The validator of the OpenAPI community finds nothing; every schema in it is one of JSON Schema 2020-12."""
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert document["servers"] == [{"url": "/"}]


def test_every_route_is_in_it(document: dict[str, Any], tmp_path: Path) -> None:
    """And it has no other; the operations' names are their own."""
    app = create_app(Settings(data_dir=tmp_path, threads=1))
    routes = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(.*?)>", r"{\1}", rule.rule)
        routes |= {f"{method} {path}" for method in rule.methods or () if method not in ("HEAD", "OPTIONS")}
    told = {f"{method.upper()} {path}": entry for path, of in document["paths"].items() for method, entry in of.items()}
    assert set(told) == routes
    names = [entry["operationId"] for entry in told.values()]
    assert len(set(names)) == len(names)
    assert {name.removesuffix("_version") for name in names} == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_is_declared_whole(operation: Operation) -> None:
    """Where it answers with a body it says which; it is shown under one tag; a JSON body has an example."""
    assert operation.reply or operation.statuses == (302,)
    assert sum(operation.name in tag.operations for tag in TAGS) == 1
    assert (operation.name in EXAMPLES) == ("application/json" in operation.body)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_fits_its_schema(document: dict[str, Any], name: str) -> None:
    """That each of them works, test_replies.py shows."""
    message = OPERATIONS[name].body["application/json"]
    assert errors(document, message.__name__, EXAMPLES[name]) == []


@pytest.mark.parametrize("message", ["LoadRequest", "InferRequest", "TensorHeader", "OutputHeader"])
def test_parameters_may_be_null(document: dict[str, Any], message: str) -> None:
    """As the service takes them, for clients write null for none."""
    whole = {"name": "x", "shape": [1], "datatype": "FP32", "inputs": []}
    assert errors(document, message, {**whole, "parameters": None}) == []
    assert errors(document, message, {**whole, "parameters": []})


def test_layers_and_families_are_what_the_library_has(document: dict[str, Any]) -> None:
    """By the names that JSON calls them."""
    schemas = document["components"]["schemas"]
    for family, classes in (("Layer", LAYERS), ("Loss", LOSSES), ("Optimizer", OPTIMIZERS), ("Schedule", SCHEDULES)):
        assert list(schemas[family]["discriminator"]["mapping"]) == list(classes)
        assert len(schemas[family]["oneOf"]) == len(classes)


@pytest.mark.parametrize(("place", "value"), CHANGES)
def test_the_schema_refuses_what_the_service_refuses(document: dict[str, Any], place: str, value: Any) -> None:
    """The body that creates `tiny`, with one mistake."""
    body: Any = copy.deepcopy(EXAMPLES["create"])
    *way, last = place.split(".")
    at = body
    for part in way:
        at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
    at[last] = value
    assert errors(document, "ModelSpec", body)
    with pytest.raises((ValidationError, ModelError)):
        specification.from_message(ModelSpec.model_validate(body))


def test_nothing_of_it_is_made_at_the_start(tmp_path: Path) -> None:
    """A service that is ready has imported neither the generator nor the page."""
    code = (
        "import sys; from pathlib import Path; from convserve_service.app import create_app;"
        "from convserve_service.settings import Settings;"
        f"app = create_app(Settings(data_dir=Path({str(tmp_path)!r}), threads=1));"
        "late = ('convserve_service.openapi', 'flask_swagger_ui');"
        "print([name in sys.modules for name in late]);"
        "[app.test_client().get(path) for path in ('/openapi.json', '/docs/swagger-ui.css')];"
        "print([name in sys.modules for name in late])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == ["[False, False]", "[True, True]"], done.stderr
