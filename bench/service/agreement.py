"""Whether the services say the same, in the tests' sense of a tolerance."""

from collections.abc import Sequence

import numpy as np

from bench.service.running import Running
from convserve_client.samples import digits
from convserve_wire.tensors import Array
from tests.tolerance import relative_error

TOLERANCE = 1e-4  # of the largest logit
IMAGES = 8


class Differ(Exception):
    """Services that do not answer the same are not compared."""


def pixels(count: int) -> list[Array]:
    """Digits [1,1,28,28], from 0 to 1."""
    return list(digits().test_images[:count, None].astype("float32") / 255)


def agree(services: Sequence[Running], forms: Sequence[str]) -> None:
    """Differ unless all say of some images what the first one says, in every form that they take."""
    for image in pixels(IMAGES):
        expected = services[0].logits(forms[0], image)
        for one in services:
            for form in forms:
                if form in one.side.questions:
                    compare(f"{one.side.name} ({form})", one.logits(form, image), expected)


def compare(name: str, got: Array, expected: Array) -> None:
    """Differ where one of them is further away than the tolerance, or not finite."""
    if got.shape != expected.shape or not relative_error(got, expected) <= TOLERANCE:
        raise Differ(f"{name} says {np.array2string(got)}, but the first service {np.array2string(expected)}")
