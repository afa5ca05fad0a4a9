"""The table of calls: what each must give, and which clients can make it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

TOLERANCE = 1e-6
LABELS = ["cat", "dog"]
TRITON = ("triton", "aio")
TENSORS = (*TRITON, "kserve")
ALL = (*TENSORS, "mlserver")
CLIENTS = {  # program, environment, arguments
    "triton": ("triton.py", "triton", []),
    "aio": ("triton.py", "triton", ["aio"]),
    "kserve": ("kserve_rest.py", "kserve", []),
    "mlserver": ("mlserver_cli.py", "mlserver", []),
}


@dataclass(frozen=True)
class Truth:
    """A model of two versions, and what they make of the rows: `outputs[version]`; `bits` are those of rows above 0."""

    name: str
    outputs: dict[str, dict[str, Any]]
    bits: Any


Check = Callable[[Any, Truth], None]


def gives(expected: Any) -> Check:
    """Exactly this."""

    def check(found: Any, truth: Truth) -> None:
        assert found == expected

    return check


def computes(*names: str, version: str = "2", binary: list[bool] | None = None, identity: Any = ...) -> Check:
    """The tensors that the oracle computes, of this version, as bytes or as JSON, under this id."""

    def check(found: Any, truth: Truth) -> None:
        assert found["version"] == version
        assert list(found["outputs"]) == list(names)
        for name in names:
            _close(found["outputs"][name], truth.outputs[version][name])
        assert binary is None or found["binary"] == binary
        assert identity is ... or found["id"] == identity

    return check


def computes_bits(found: Any, truth: Truth) -> None:
    """Of a UINT8 input, which is scaled by 1/255."""
    _close(found["outputs"]["logits"], truth.bits)


def classifies(k: int) -> Check:
    """The k largest as value:index:label."""

    def check(found: Any, truth: Truth) -> None:
        logits = truth.outputs["2"]["logits"]
        assert found["outputs"]["logits"]["shape"] == [len(logits), k]
        texts = iter(found["outputs"]["logits"]["data"])
        for row in logits:
            for index in np.argsort(-row)[:k]:
                value, at, label = next(texts).split(":")
                assert (int(at), label) == (index, LABELS[index])
                assert abs(float(value) - row[index]) < 2e-6

    return check


def refused(status: int, words: str) -> Check:
    """The client's own error, with our status and our words."""

    def check(found: Any, truth: Truth) -> None:
        assert found["raised"]["status"] == status
        assert words in found["raised"]["message"]

    return check


def describes(found: Any, truth: Truth) -> None:
    assert (found["name"], found["versions"]) == (truth.name, ["1", "2"])
    assert found["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 1, 4, 4]}]
    assert found["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [-1, 2]}]


def configures(found: Any, truth: Truth) -> None:
    assert (found["name"], found["max_batch_size"] > 0) == (truth.name, True)
    assert [(entry["name"], entry["dims"]) for entry in found["input"]] == [("x", [1, 4, 4])]
    assert [(entry["name"], entry["dims"]) for entry in found["output"]] == [("logits", [2])]
    assert found["model_transaction_policy"] == {"decoupled": False}


def lists(found: Any, truth: Truth) -> None:
    assert {"name": truth.name, "version": "2", "state": "READY", "reason": ""} in found


def introduces(found: Any, truth: Truth) -> None:
    assert found["name"] == "convserve"
    extensions = {"binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"}
    assert set(found["extensions"]) >= extensions


def predicts(found: Any, truth: Truth) -> None:
    """V1: the logits of each instance."""
    assert np.allclose(found["predictions"], truth.outputs["2"]["logits"], rtol=TOLERANCE, atol=TOLERANCE)


def counts(*versions: str) -> Check:
    """Every field that perf_analyzer parses, an unsigned integer each; that the numbers are right, others test."""

    def check(found: Any, truth: Truth) -> None:
        mine = [entry for entry in found["model_stats"] if entry["name"] == truth.name]
        assert [entry["version"] for entry in mine] == list(versions)
        for entry in mine:
            parts = entry["inference_stats"]
            assert set(parts) == {
                "success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit",
                "cache_miss",
            }  # fmt: skip
            numbers = [part[unit] for part in parts.values() for unit in ("count", "ns")]
            numbers += [entry[name] for name in ("inference_count", "execution_count", "last_inference")]
            assert all(type(number) is int and number >= 0 for number in numbers)
            assert parts["success"]["count"] == entry["execution_count"] > 0

    return check


def _close(found: Any, expected: Any) -> None:
    assert found["shape"] == list(expected.shape)
    assert np.allclose(np.reshape(found["data"], expected.shape), expected, rtol=TOLERANCE, atol=TOLERANCE)


BYTES, TEXT = [True], [False]
TABLE: list[tuple[str, tuple[str, ...], Check]] = [
    ("live", TENSORS, gives(True)),
    ("ready", TENSORS, gives(True)),
    ("model_ready", TENSORS, gives(True)),
    ("versions_ready", TRITON, gives([True, True, False])),
    ("server", TRITON, introduces),
    ("metadata", TRITON, describes),
    ("config", TRITON, configures),
    ("index", TRITON, lists),
    ("unload", TRITON, gives(None)),
    ("not_ready", TRITON, gives(False)),
    ("unloaded", TRITON, refused(400, "is unloaded; load it with")),
    ("load", TRITON, gives(None)),
    ("load_config", TRITON, refused(400, "load takes no 'config'")),
    ("json", TENSORS, computes("logits", binary=TEXT)),
    ("json", ("mlserver",), computes("logits")),
    ("binary", TENSORS, computes("logits", binary=BYTES)),
    ("json_in", TENSORS, computes("logits", binary=BYTES)),
    ("json_out", TENSORS, computes("logits", binary=TEXT)),
    ("mixed", TRITON, computes("conv", "logits", binary=[True, False])),
    ("mixed", ("kserve",), computes("conv", "logits", binary=BYTES)),
    ("gzip", TRITON, computes("logits", binary=BYTES)),
    ("gzip_json", TRITON, computes("logits", binary=TEXT)),
    ("deflate", TRITON, computes("logits", binary=BYTES)),
    ("deflate_json", TRITON, computes("logits", binary=TEXT)),
    ("classification", TRITON, classifies(2)),
    ("classification_json", TRITON, classifies(1)),
    ("intermediate", ALL, computes("conv")),
    ("first_version", TRITON, computes("logits", version="1")),
    ("alias", TRITON, computes("logits", version="1")),
    ("id", ALL, computes("logits", identity="a b/c")),
    ("parameters", TRITON, computes("logits")),
    ("uint8", TRITON, computes_bits),
    ("fp64", TRITON, computes("logits")),
    ("asynchronous", ("triton",), computes("logits")),
    ("cli", ("mlserver",), computes("logits", identity=["row-0", "row-1", "row-2"])),
    ("cli_batches", ("mlserver",), computes("logits", identity=["row-0", "row-1", "row-2"])),
    ("cli_binary", ("mlserver",), computes("logits", identity=["row-0", "row-1", "row-2"])),
    ("no_model", TENSORS, refused(404, "there is no model 'no-such'; create it with PUT /v2/models/no-such")),
    ("no_version", TRITON, refused(404, "has no version or alias '9'")),
    ("wrong_shape", ALL, refused(400, "x has shape")),
    ("no_layer", TRITON, refused(400, "there is no output 'no-layer'")),
    ("shared_memory", TRITON, refused(404, "there is nothing at this address")),
    ("log_settings", TRITON, refused(404, "there is nothing at this address")),
    ("trace_settings", TRITON, refused(404, "there is nothing at this address")),
    ("statistics", TRITON, counts("1", "2")),
    ("version_statistics", TRITON, counts("1")),
    ("all_statistics", TRITON, counts("1", "2")),
    ("v1_live", ("kserve",), gives(True)),
    ("v1_ready", ("kserve",), gives(True)),
    ("v1_predict", ("kserve",), predicts),
    ("v1_no_model", ("kserve",), refused(404, "there is no model 'no-such'")),
    ("v1_wrong_shape", ("kserve",), refused(400, "x has shape")),
]
