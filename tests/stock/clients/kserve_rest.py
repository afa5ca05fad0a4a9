"""Every call of `kserve.InferenceRESTClient`, over V2 and over V1."""

import asyncio
from typing import Any

import httpx
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import InferResponse, RequestedOutput
from reporting import ADDRESS, MODEL, X, report, tensor

URL = f"http://{ADDRESS}"


def request(
    *, binary: bool, array: Any = X, outputs: list[RequestedOutput] | None = None, identity: str | None = None,
    parameters: dict[str, Any] | None = None,
) -> InferRequest:  # fmt: skip
    x = InferInput("x", list(array.shape), "FP32")
    x.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(MODEL, [x], identity, parameters=parameters, request_outputs=outputs)


def shown(response: InferResponse, headers: dict[str, str]) -> dict[str, Any]:
    """What the client makes of a reply; it keeps neither the version nor what was binary, but the headers tell."""
    found = {output.name: tensor(output.as_numpy()) for output in response.outputs}
    binary = ["inference-header-content-length" in headers]
    return {"outputs": found, "binary": binary, "version": headers["convserve-model-version"], "id": response.id}


async def main() -> None:
    v2, v1 = InferenceRESTClient(RESTConfig(protocol="v2")), InferenceRESTClient(RESTConfig(protocol="v1"))

    async def infer(**options: Any) -> dict[str, Any]:
        headers: dict[str, str] = {}
        return shown(await v2.infer(URL, request(**options), model_name=MODEL, response_headers=headers), headers)

    binary_out = {"binary_data_output": True}
    logits = RequestedOutput("logits", {"binary_data": False})
    conv = RequestedOutput("conv", {"binary_data": True})
    await report(
        {
            "live": lambda: v2.is_server_live(URL),
            "ready": lambda: v2.is_server_ready(URL),
            "model_ready": lambda: v2.is_model_ready(URL, MODEL),
            "json": lambda: infer(binary=False),
            "binary": lambda: infer(binary=True, parameters=binary_out),
            "json_in": lambda: infer(binary=False, parameters=binary_out),
            "json_out": lambda: infer(binary=True),
            "mixed": lambda: infer(binary=True, outputs=[conv, logits]),
            "intermediate": lambda: infer(binary=True, outputs=[conv]),
            "id": lambda: infer(binary=True, identity="a b/c"),
            "no_model": lambda: v2.infer(URL, request(binary=True), model_name="no-such"),
            "wrong_shape": lambda: infer(binary=True, array=X[:, :, :3]),
            "v1_live": lambda: v1.is_server_live(URL),
            "v1_ready": lambda: v1.is_model_ready(URL, MODEL),
            "v1_predict": lambda: v1.infer(URL, {"instances": X.tolist()}, model_name=MODEL),
            "v1_no_model": lambda: v1.infer(URL, {"instances": X.tolist()}, model_name="no-such"),
            "v1_wrong_shape": lambda: v1.infer(URL, {"instances": X[:, :, :3].tolist()}, model_name=MODEL),
        },
        httpx.HTTPStatusError,
        lambda error: {"status": error.response.status_code, "message": str(error)},
    )
    await v2.close()
    await v1.close()


asyncio.run(main())
