"""Grad-CAM: where in the image a layer's channels speak for an output."""

from typing import ClassVar

import numpy as np

from convserve_model.errors import ModelError
from convserve_model.explain.interpolation import bilinear
from convserve_model.explain.subject import Found, Subject
from convserve_model.layers.conv import Conv2d
from convserve_model.network import Network
from convserve_model.protocols import Array
from convserve_model.values import dataclass


@dataclass(frozen=True)
class GradCAM:
    """Where a layer's channels speak for the target: ReLU of their sum, each times the mean of its gradient.

    `layer` is any that gives [channels, height, width], by default the last convolution. The map is brought to the size
    of x bilinearly, and is the same in every channel of the explanation. Captum's LayerGradCam and interpolate.
    Source: Selvaraju et al., "Grad-CAM: visual explanations from deep networks" (2017).
    """

    layer: str | None = None
    passes: ClassVar[int] = 1
    signed: ClassVar[bool] = False
    one_by_one: ClassVar[bool] = False

    def __call__(self, subject: Subject, x: Array, target: Array) -> Found:
        activations, slopes = subject.sensitivity(x, target, self._layer(subject.network))  # [N,k,h,w]
        n, k, h, w = activations.shape
        weights = slopes.mean(axis=(2, 3))[:, None]  # [N,1,k]
        map_ = np.maximum(weights @ activations.reshape(n, k, h * w), 0).reshape(n, 1, h, w)
        return {"explanation": bilinear(map_, *x.shape[2:]).repeat(x.shape[1], axis=1)}

    def _layer(self, network: Network) -> str:
        images = [name for name in network.names if len(network.shapes[name]) == 3]
        if self.layer in images:
            return self.layer
        if self.layer is not None:
            raise ModelError(
                f"there is no layer {self.layer!r} that gives [channels, height, width]; there are"
                f" {', '.join(images) or 'none'}",
                "layer",
            )
        for node in reversed(network.nodes):
            if isinstance(node.layer, Conv2d):
                return node.name
        raise ModelError(
            "the network has no convolution for grad_cam to look at; name another layer that gives [channels, height,"
            f" width] ({', '.join(images) or 'there is none'}), or use another method",
            "layer",
        )
