"""About how much memory a run takes, from shapes alone: an upper bound but for work space.

That is a few MiB a thread, and twice `costs.LATER` where one thread makes gradients beside another one.
"""

from functools import lru_cache
from math import prod

from convserve_model.layers.pooling import MaxPool2d
from convserve_model.layers.structure import Dropout
from convserve_model.network import Network
from convserve_model.prepare import NUMBER, microbatch

NOTING = MaxPool2d, Dropout  # layers that note as much as they give: what was the largest, what was left


def footprint(network: Network, n: int, threads: int, *, backward: bool, whole: bool) -> int:
    """Bytes of x, of the activations that are there at once, and of the gradients of a backward pass.

    With `whole`, as batch norm needs in training, all of the batch is there at once, else microbatches of two sizes a
    thread.
    """
    image, masks, parameters, most = _sizes(network)
    held = n if whole else min(n, 2 * threads * most)
    values = held * (image + masks) * 3 // 2 if backward else held * image
    return NUMBER * (n * prod(network.input) + values + (3 * parameters if backward else 0))


@lru_cache(maxsize=256)
def _sizes(network: Network) -> tuple[int, int, int, int]:
    """Activations of an image, what their layers note for backward, parameters, images of the largest microbatch."""
    masks = sum(prod(network.shapes[node.name]) for node in network.nodes if isinstance(node.layer, NOTING))
    return sum(map(prod, network.shapes.values())), masks, network.parameter_count, microbatch(network) * 5 // 4
