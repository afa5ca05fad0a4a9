"""LeNet-5 behind BentoML: an array as JSON in and out."""

import bentoml
import numpy as np
import torch
from network import Network


@bentoml.service(workers=2, logging={"access": {"enabled": False}})
class LeNet5:
    def __init__(self) -> None:
        self.network = Network()

    @bentoml.api
    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.network(torch.from_numpy(x.astype("float32"))).numpy()
