"""LeNet-5 behind LitServe: JSON, and raw float32 both ways. The port is the argument.

A worker for each core, ZeroMQ for hundreds of requests a second and as many HTTP servers as workers are what its
documentation says.
"""

import sys
from typing import Annotated, Any

import torch
from fastapi import Body, Response
from litserve import LitAPI, LitServer
from network import Network
from torch import Tensor

CORES = 2
Bytes = Annotated[bytes, Body(media_type="application/octet-stream")]


class Json(LitAPI):
    def setup(self, device: str) -> None:
        self.network = Network()

    def decode_request(self, request) -> Tensor:  # type: ignore[no-untyped-def]  # without a type it is the JSON
        return torch.tensor(request["x"])

    def predict(self, x: Tensor) -> Tensor:
        return self.network(x)

    def encode_response(self, output: Tensor) -> Any:
        return {"logits": output[0].tolist()}


class Binary(Json):
    def decode_request(self, request: Bytes) -> Tensor:
        return torch.frombuffer(bytearray(request), dtype=torch.float32)

    def encode_response(self, output: Tensor) -> Response:
        return Response(output.numpy().tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    doors = [Json(api_path="/predict"), Binary(api_path="/predict-binary")]
    server = LitServer(doors, accelerator="cpu", workers_per_device=CORES, fast_queue=True)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=CORES, log_level="warning", generate_client_file=False
    )
