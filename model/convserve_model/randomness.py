"""Random numbers as a pure function of what they are for; nothing random is ever stored.

NumPy loads its random numbers with their first use, 3 MB that inference never needs: annotations that name them are
strings.
Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), NumPy's Philox.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    INIT = 0
    SHUFFLE = 1
    DROPOUT = 2
    SMOOTHGRAD = 3


def generator(
    purpose: Purpose, *, seed: int, step: int = 0, index: int = 0, microbatch: int = 0
) -> "np.random.Generator":
    """The generator of one draw, keyed by (seed, step) and counted by (purpose, index, microbatch)."""
    key = np.array([seed, step], np.uint64)
    counter = np.array([0, int(purpose), index, microbatch], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
