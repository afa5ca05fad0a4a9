"""Safetensors files: the reader, then weights and states of what it read. The oracle is the `safetensors` library."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import orjson
import safetensors as oracle

from convserve_model import ModelError, Network, SafetensorsError, Snapshot, Training
from convserve_model.safetensors import DTYPES, deserialize, serialize
from convserve_service import specification
from convserve_service.openapi.examples import EXAMPLES
from convserve_wire.messages import ModelSpec, parse
from tests.crash.promises import demand
from tests.fuzz.doors import bytewise, jsonwise
from tests.fuzz.doors.door import Case, Door, refused, taken
from tests.service.stored import file

STRICTER = (  # what the library takes and the service does not, by the words of the refusal
    "exactly dtype, shape and data_offsets", "known are", "is there twice", "integers from 0", "larger than any array",
    "not JSON", "__metadata__", "claims",
)  # fmt: skip
LAXER = ("floating point `-0.0`", "hex escape")  # what the service takes and the library does not, by its words
WORDS = tuple(f'"{word}"'.encode() for word in (
    *DTYPES, "F8_E4M3", "dtype", "shape", "data_offsets", "__metadata__", "step", "age", "conv.weight", "fc.bias",
    "optimizer/momentum_buffer/conv.weight", "optimizer/", "optimizer",
))  # fmt: skip
SPEC = specification.from_message(parse(ModelSpec, orjson.dumps(EXAMPLES["create"])))
NETWORK: Network = SPEC.network
TRAINING: Training = SPEC.training
STATE = Snapshot.initial(NETWORK, TRAINING, seed=0)


def door(_: Path) -> Door:
    return Door(seeds(), change, ask, peak=128 << 20)


def seeds() -> list[Case]:
    """Weights, a state with an optimizer's, a dataset, and every dtype."""
    slots = {"momentum_buffer": np.ones_like(STATE.params)}
    trained = Snapshot(STATE.layout, STATE.params, STATE.buffers, slots, 3, 2)
    every = {code: np.zeros((2, 1), code) for code in dict.fromkeys(DTYPES.values())}
    made = [serialize(STATE.weights(), {}), serialize(*trained.to_tensors()), serialize(every, {"a": "b"})]
    return [*((b"".join(chunks),) for chunks in made), (file(),), (b"".join(serialize({}, {})),)]


def change(random: Random, case: Case) -> Case:
    """The header with its length set right, mostly; else its length, or the data."""
    (data,) = case
    length = int.from_bytes(data[:8], "little")
    header, rest = data[8 : 8 + length], data[8 + length :]
    match random.randrange(10):
        case 0:
            return (bytewise.changed(random, data[:16]) + data[16:],)
        case 1:
            return (data[: 8 + length] + bytewise.changed(random, rest),)
        case 2:
            return (bytewise.changed(random, data),)
        case 3:
            header = bytewise.changed(random, header)
        case _:
            header = jsonwise.changed(random, header, WORDS)
    return (len(header).to_bytes(8, "little") + header + rest,)


def ask(case: Case) -> str:
    """What is taken the library takes too, with the same bytes; what it takes is refused for a known reason only."""
    (data,) = case
    theirs = _theirs(data)
    try:
        tensors, metadata = deserialize(data)
    except SafetensorsError as error:
        known = isinstance(theirs, str) or any(words in str(error) for words in STRICTER)
        demand(known, "a good file is taken", str(error))
        return refused(error)
    if isinstance(theirs, str):
        demand(any(words in theirs for words in LAXER), "what is taken is a safetensors file", theirs)
    else:
        _compare(tensors, theirs)
    return taken(len(metadata), _weights(tensors), _state(tensors, metadata))


def _weights(tensors: Mapping[str, Any]) -> str:
    """What comes of them as weights: all finite, and of the shapes of the model."""
    try:
        made = STATE.with_weights(NETWORK, tensors)
    except ModelError as error:
        return refused(error)
    demand(bool(np.isfinite(made.params).all()), "weights are finite", repr(made.params))
    demand({name: a.shape for name, a in made.weights().items()} == {name: a.shape for name,
    a in STATE.weights().items()},
           "weights have the shapes of the model", repr(made.weights()))  # fmt: skip
    return "weights"


def _state(tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> str:
    """What comes of them as a state, whose reader knows its bytes by their digest: it needs only fail cleanly."""
    try:
        Snapshot.from_tensors(NETWORK, TRAINING, tensors, metadata)
    except (KeyError, ValueError) as error:
        return type(error).__name__
    return "state"


def _theirs(data: bytes) -> dict[str, Any] | str:
    """Entries by name as the library has them, or why it refuses."""
    try:
        return dict(oracle.deserialize(data))
    except oracle.SafetensorError as error:
        return str(error)


def _compare(tensors: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    demand(set(tensors) == set(theirs), "the same names", f"{sorted(tensors)[:20]}, {sorted(theirs)[:20]}")
    for name, array in tensors.items():
        entry = theirs[name]
        demand(list(array.shape) == list(entry["shape"]), "the same shapes", f"{array.shape}, {entry['shape']}")
        demand(not array.flags.writeable, "nobody writes into a file", name)
        if entry["dtype"] == "BF16":
            halves = np.frombuffer(bytes(entry["data"]), "<u2").astype("<u4") << 16
            demand(array.tobytes() == halves.tobytes(), "the upper half of a float32", repr(array)[:1000])
        else:
            demand(array.tobytes() == bytes(entry["data"]), "the same bytes", repr(array)[:1000])
