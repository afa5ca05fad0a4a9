"""Which rows there are: the kinds of their keys, and what their cells mean. Times in nanoseconds."""

from bisect import bisect_left
from collections.abc import Iterable

from convserve_service.counting.tallies import CELLS, GAUGE, Key, Tallies
from convserve_service.store.catalog import Catalog
from convserve_service.store.errors import StoreUnavailable

REQUESTS = "requests"  # verb, status: COUNT
SECONDS = "seconds"  # verb: a histogram over SECONDS_UP_TO
BATCH = "batch"  # verb: a histogram over IMAGES_UP_TO
WAITED = "waited"  # COUNT, SUM
MODEL = "model"  # model, verb: COUNT, IMAGES
VERSION = "version"  # model, version: LATEST is the moment of an inference in milliseconds, COUNT to OUTPUT
SIZE = "size"  # model, version, batch size: COUNT, INPUT to OUTPUT

COUNT = 1
SUM = IMAGES = 2
TOTAL, FAILED, FAILED_TOTAL, QUEUE, INPUT, INFER, OUTPUT = range(3, 10)
FIRST = 3  # bucket of a histogram

SECONDS_UP_TO = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
IMAGES_UP_TO = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536)
NANOSECONDS_UP_TO = tuple(round(1e9 * seconds) for seconds in SECONDS_UP_TO)
assert FIRST + max(len(SECONDS_UP_TO), len(IMAGES_UP_TO)) < CELLS

IN_FLIGHT: Key = (GAUGE, "in-flight")
WRITERS_WAITING: Key = (GAUGE, "writers-waiting")
WRITERS: Key = (GAUGE, "writers")


def observed(value: int, bounds: tuple[int, ...]) -> dict[int, int]:
    """What one value adds to the row of a histogram; a bucket takes what is at most its bound."""
    return {COUNT: 1, SUM: value, FIRST + bisect_left(bounds, value): 1}


def told_apart(size: int) -> bool:
    """Whether a batch size has a row of its own: to 64, and powers of two, so that there are never many."""
    return size <= 64 or size & (size - 1) == 0


def unneeded(catalog: Catalog, keys: Iterable[Key]) -> list[Key]:
    """The rows of models and versions that are not there any more; none where the catalog cannot tell."""
    try:
        models, versions = catalog.names(), catalog.available()
    except StoreUnavailable:
        return []
    return [
        key
        for key in keys
        if (key[0] == MODEL and key[1] not in models)
        or (key[0] in (VERSION, SIZE) and (key[1], int(key[2])) not in versions)
    ]


def told(tallies: Tallies, row: Key, number: int) -> None:
    """Add to a gauge."""
    tallies.add((row, {COUNT: number}))
