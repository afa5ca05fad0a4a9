"""LeNet-5 behind FastAPI: pydantic models in and out, and raw float32 both ways."""

import torch
from fastapi import FastAPI, Request, Response
from network import Network
from pydantic import BaseModel

app = FastAPI()
network = Network()


class Image(BaseModel):
    x: list[float]


class Prediction(BaseModel):
    logits: list[float]


@app.post("/predict")
def predict(image: Image) -> Prediction:
    return Prediction(logits=network(torch.tensor(image.x))[0].tolist())


@app.post("/predict-binary")
async def predict_binary(request: Request) -> Response:
    pixels = torch.frombuffer(bytearray(await request.body()), dtype=torch.float32)
    return Response(network(pixels).numpy().tobytes(), media_type="application/octet-stream")
