"""How large bodies and replies are in memory, before they are there."""

from collections.abc import Callable, Iterable
from math import prod

from convserve_model import Network
from convserve_service.specification import Specification

BINARY, TEXT = 4, 16  # bytes of a float32, and the most that it takes as JSON
CLASS = 64  # bytes of a class in a reply, without its label
OBJECTS = 400  # bytes of a class as Python's objects
COPIES = 6  # of a body: as it came, decompressed, and four times as large where uint8 becomes float32
VALUES = 54, 880 << 20  # bytes that a byte of JSON takes as values, at most; and all of them (wire: MAX_VALUES)


def body(length: int, json: int) -> int:
    """Bytes of memory for a body of which so many bytes may be JSON."""
    return COPIES * length + min(VALUES[0] * json, VALUES[1])


def outputs(network: Network, names: Iterable[str], rows: int, binary: Callable[[str], bool]) -> int:
    """Bytes of a reply with these outputs of a network; what it has not, counts nothing."""
    return sum(_elements(network, name, rows) * (BINARY if binary(name) else TEXT) for name in names)


def classes(specification: Specification, rows: int, k: int) -> int:
    """Bytes of a reply with k classes for each row."""
    if not k:
        return 0
    return rows * min(k, specification.network.classes) * (CLASS + max(map(len, specification.labels or ("",))))


def _elements(network: Network, name: str, rows: int) -> int:
    if name.startswith("grad/"):
        parameter = name.removeprefix("grad/")
        shape = network.specs[parameter].shape if parameter in network.specs else (0,)
        return rows * prod(network.input) if parameter == "x" else prod(shape)
    return rows * prod(network.shapes.get(network.last.name if name == "logits" else name, (0,)))
