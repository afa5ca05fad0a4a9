"""The components of the document: messages, replies, and the families that the model library defines."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from convserve_service.openapi.families import FAMILIES, PLACE, Schema, families
from convserve_service.operations import BINARY, Media, Operation
from convserve_wire.replies import Error

ERROR = "Error"
WHOLE, NUMBERS = {"$ref": f"{PLACE}Family"}, {"additionalProperties": True, "type": "object"}
NULL = {"type": "null"}
Mode = Literal["validation", "serialization"]
Inputs = dict[tuple[Any, Mode], TypeAdapter[Any]]


class _Untitled(GenerateJsonSchema):
    """A field's title would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class Schemas:
    """Those of all bodies and replies of `operations`."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        inputs: Inputs = {(Error, "serialization"): TypeAdapter(Error)}
        for operation in operations:
            inputs |= {(taken, "validation"): TypeAdapter(taken) for taken in _shapes(operation.body)}
            inputs |= {(given, "serialization"): TypeAdapter(given) for given in _shapes(operation.reply)}
        self._schemas, described = TypeAdapter.json_schemas(
            [(shape, mode, adapter) for (shape, mode), adapter in inputs.items()],
            ref_template=f"{PLACE}{{model}}",
            schema_generator=_Untitled,
        )
        self.components: dict[str, Schema] = _defined(described["$defs"])

    def of(self, shape: Any, mode: Mode) -> Schema:
        """The schema of a body (validation) or reply (serialization)."""
        return self._schemas[shape, mode]


def _shapes(media: Media) -> list[Any]:
    return [shape for shape in media.values() if shape != BINARY]


def _defined(found: dict[str, Schema]) -> dict[str, Schema]:
    """The messages with their families: `Layer` and `Family` stand for what the wire alone does not know."""
    layer = {name: value for name, value in found.pop("Layer")["properties"].items() if name != "type"}
    del found["Family"]
    for schema in found.values():
        for name, field in schema.get("properties", {}).items():
            family, choices = name.capitalize(), field.get("anyOf", [])
            if family in FAMILIES and WHOLE in choices:
                field["anyOf"] = [{"$ref": PLACE + family}, NULL]
            elif family in FAMILIES and NUMBERS in choices:
                field["anyOf"] = [{"$ref": f"{PLACE}{family}Numbers"}, NULL]
    return dict(sorted({**found, **families({"Layer": layer})}.items()))
