"""Schemas of layers, losses, optimizers and schedules: the dataclasses that check them are what they are made of."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from convserve_model import LAYERS, LOSSES, OPTIMIZERS, SCHEDULES

Schema = dict[str, Any]
PLACE = "#/components/schemas/"
FAMILIES: dict[str, tuple[str, Mapping[str, type[Any]]]] = {  # the member that names the class
    "Layer": ("type", LAYERS),
    "Loss": ("name", LOSSES),
    "Optimizer": ("name", OPTIMIZERS),
    "Schedule": ("name", SCHEDULES),
}


def families(common: Mapping[str, Schema]) -> dict[str, Schema]:
    """A schema for each class and the union of each family; `common` are the members that all of a family have.

    `<Family>Numbers` are the classes of a family again, for a request that overrides some of their numbers.
    """
    found: dict[str, Schema] = {}
    for family, (key, classes) in FAMILIES.items():
        names = {name: f"{cls.__name__}{family}" for name, cls in classes.items()}
        for name, cls in classes.items():
            found[names[name]] = _of_class(cls, {**common.get(family, {}), key: {"const": name}}, key)
        references = {name: f"{PLACE}{component}" for name, component in names.items()}
        found[family] = {
            "oneOf": [{"$ref": reference} for reference in references.values()],
            "discriminator": {"propertyName": key, "mapping": references},
        }
        if family != "Layer":
            parts = [{**found[component], "required": []} for component in names.values()]
            described = f"Numbers of the model's {family.lower()}, for this request alone."
            found[f"{family}Numbers"] = {"anyOf": parts, "description": described}
    return found


def _of_class(cls: type[Any], members: Mapping[str, Schema], key: str) -> Schema:
    own = TypeAdapter(cls).json_schema()
    return {
        "type": "object",
        "description": own.get("description", ""),
        "properties": {**members, **{name: _untitled(field) for name, field in own.get("properties", {}).items()}},
        "required": [key, *own.get("required", ())],
        "additionalProperties": False,
    }


def _untitled(field: Schema) -> Schema:
    return {key: value for key, value in field.items() if key != "title"}
