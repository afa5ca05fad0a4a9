"""The errors of the model library.

ModelError
├── ArchitectureError    layers that do not fit together
├── OptionError          a hyperparameter out of its range, or of another family
├── TargetError          labels or cotangents that do not fit the outputs
├── InputError           an input that does not fit the network
├── WeightsError         tensors that do not fit the parameters
├── SafetensorsError     bytes that are not a safetensors file
└── NonFiniteError       a step that would make a NaN or an infinity
"""

from collections.abc import Iterable

MOST_TOLD = 80  # characters


class ModelError(Exception):
    """What was got, what was expected, what to do; `where` names the field to blame."""

    def __init__(self, message: str, where: str | None = None) -> None:
        super().__init__(message)
        self.where = where


class ArchitectureError(ModelError): ...


class OptionError(ModelError): ...


class TargetError(ModelError): ...


class InputError(ModelError): ...


class WeightsError(ModelError): ...


class SafetensorsError(ModelError): ...


class NonFiniteError(ModelError): ...


def told(value: object) -> str:
    """What was got, for a message: whoever sent it knows the rest."""
    text = repr(value)
    return text if len(text) <= MOST_TOLD else text[:MOST_TOLD] + "..."


def some(names: Iterable[str]) -> str:
    """The first few names, for a message."""
    listed = list(names)
    text = ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "") if listed else "none"
    return text if len(text) <= 2 * MOST_TOLD else text[: 2 * MOST_TOLD] + "..."


class ShapeError(Exception):
    """A layer's refusal of its input shapes; `Network` turns it into an ArchitectureError with the layer's name."""

    def __init__(self, needed: str) -> None:
        super().__init__(needed)
        self.needed = needed
