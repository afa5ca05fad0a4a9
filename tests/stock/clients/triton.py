"""Every call of `tritonclient.http`, as its users write them; with the argument `aio`, of `tritonclient.http.aio`."""

import asyncio
import sys
from typing import Any

import numpy as np
import tritonclient.http as http
from reporting import ADDRESS, MODEL, X, report, settled, tensor
from tritonclient.http import aio

AIO = sys.argv[4:] == ["aio"]


def given(array: Any = X, datatype: str = "FP32", *, binary: bool = True) -> list[http.InferInput]:
    """The input x."""
    x = http.InferInput("x", list(array.shape), datatype)
    return [x.set_data_from_numpy(array, binary_data=binary)]


def wanted(name: str, *, binary: bool = True, classes: int = 0) -> list[http.InferRequestedOutput]:
    return [http.InferRequestedOutput(name, binary_data=binary, class_count=classes)]


def shown(result: http.InferResult) -> dict[str, Any]:
    """What the client makes of a reply."""
    told = result.get_response()
    found = {output["name"]: tensor(result.as_numpy(output["name"])) for output in told["outputs"]}
    binary = ["binary_data_size" in output.get("parameters", {}) for output in told["outputs"]]
    return {"outputs": found, "binary": binary, "version": told["model_version"], "id": told.get("id")}


async def main() -> None:
    client: Any = (aio if AIO else http).InferenceServerClient(ADDRESS)

    async def infer(inputs: Any, outputs: Any = None, **options: Any) -> dict[str, Any]:
        return shown(await settled(client.infer(MODEL, inputs, outputs=outputs, **options)))

    def compressed(how: str, *, binary: bool) -> Any:
        options = {"request_compression_algorithm": how, "response_compression_algorithm": how}
        return infer(given(binary=binary), wanted("logits", binary=binary), **options)

    async def versions_ready() -> list[bool]:
        return [await settled(client.is_model_ready(MODEL, version)) for version in ("1", "2", "9")]

    calls = {
        "live": client.is_server_live,
        "ready": client.is_server_ready,
        "model_ready": lambda: client.is_model_ready(MODEL),
        "versions_ready": versions_ready,
        "server": client.get_server_metadata,
        "metadata": lambda: client.get_model_metadata(MODEL),
        "config": lambda: client.get_model_config(MODEL),
        "index": client.get_model_repository_index,
        "unload": lambda: client.unload_model(MODEL, unload_dependents=True),
        "not_ready": lambda: client.is_model_ready(MODEL),
        "unloaded": lambda: infer(given()),
        "load": lambda: client.load_model(MODEL),
        "load_config": lambda: client.load_model(MODEL, config="{}"),
        "json": lambda: infer(given(binary=False), wanted("logits", binary=False)),
        "binary": lambda: infer(given()),
        "json_in": lambda: infer(given(binary=False), wanted("logits")),
        "json_out": lambda: infer(given(), wanted("logits", binary=False)),
        "mixed": lambda: infer(given(), [*wanted("conv"), *wanted("logits", binary=False)]),
        "gzip": lambda: compressed("gzip", binary=True),
        "gzip_json": lambda: compressed("gzip", binary=False),
        "deflate": lambda: compressed("deflate", binary=True),
        "deflate_json": lambda: compressed("deflate", binary=False),
        "classification": lambda: infer(given(), wanted("logits", classes=2)),
        "classification_json": lambda: infer(given(), wanted("logits", classes=1, binary=False)),
        "intermediate": lambda: infer(given(), wanted("conv")),
        "first_version": lambda: infer(given(), model_version="1"),
        "alias": lambda: infer(given(), model_version="first"),
        "id": lambda: infer(given(), request_id="a b/c"),
        "parameters": lambda: infer(given(), priority=1, timeout=10**6, sequence_id=5, parameters={"mine": "x"}),
        "uint8": lambda: infer(given((X > 0).astype(np.uint8), "UINT8")),
        "fp64": lambda: infer(given(X.astype(np.float64), "FP64", binary=False)),
        "no_model": lambda: client.infer("no-such", given()),
        "no_version": lambda: infer(given(), model_version="9"),
        "wrong_shape": lambda: infer(given(X[:, :, :3])),
        "no_layer": lambda: infer(given(), wanted("no-layer")),
        "shared_memory": lambda: client.register_system_shared_memory("region", "/region", 64),
        "log_settings": client.get_log_settings,
        "trace_settings": client.get_trace_settings,
        "statistics": lambda: client.get_inference_statistics(MODEL),
        "version_statistics": lambda: client.get_inference_statistics(MODEL, "1"),
        "all_statistics": client.get_inference_statistics,
    }
    if not AIO:
        calls["asynchronous"] = lambda: shown(client.async_infer(MODEL, given()).get_result())
    await report(
        calls,
        http.InferenceServerException,
        lambda error: {"status": int(error.status()), "message": error.message()},
    )
    await settled(client.close())


asyncio.run(main())
