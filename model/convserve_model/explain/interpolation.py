"""Images of another size."""

import numpy as np

from convserve_model.protocols import Array


def bilinear(images: Array, height: int, width: int) -> Array:
    """[..., h, w] -> [..., height, width]; PyTorch's `interpolate(mode="bilinear", align_corners=False)`."""
    *_, h, w = images.shape
    return np.asarray(_weights(h, height, images) @ images @ _weights(w, width, images).T)


def _weights(size: int, wanted: int, like: Array) -> Array:
    """[wanted, size]: how much of each old pixel is in each new one. Pixels have their centres at halves."""
    centres = np.maximum((np.arange(wanted) + 0.5) * (size / wanted) - 0.5, 0)
    below = np.minimum(centres.astype(np.int64), size - 1)
    above = np.minimum(below + 1, size - 1)
    weights = np.zeros((wanted, size))
    np.add.at(weights, (np.arange(wanted), below), 1 - (centres - below))
    np.add.at(weights, (np.arange(wanted), above), centres - below)
    return weights.astype(like.dtype)
