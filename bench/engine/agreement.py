"""Whether the sides say the same, in the tests' sense of a tolerance."""

from collections.abc import Mapping

import numpy as np

from bench.engine.cells import Array
from tests.tolerance import relative_error

TOLERANCE = 1e-4
ALONE = ("logits", "loss")
Answer = Mapping[str, Array]


def disagreements(answers: Mapping[str, Answer], reference: str) -> list[str]:
    """What is further than the tolerance from the reference's answer, and what is not finite.

    Logits and the loss are each compared at their own scale, weights and buffers after a step as one group. At the
    learning rate of the cells that lets about a hundredth of a gradient pass: one activation on the other side of a
    kink makes as much. Closer looks at gradients, away from kinks, are the tests'.
    """
    found = []
    expected = answers[reference]
    group = max((float(np.abs(array).max()) for name, array in expected.items() if name not in ALONE), default=0.0)
    for side, answer in answers.items():
        if set(answer) != set(expected):
            found.append(f"{side} answers {sorted(answer)}, {reference} {sorted(expected)}")
            continue
        for name, array in answer.items():
            error = relative_error(array, expected[name], 0.0 if name in ALONE else group)
            if not (error <= TOLERANCE and np.isfinite(array).all()):
                found.append(f"{name} of {side} is {error:.1e} away from that of {reference}")
    return found
