"""Statistics in Triton's form: for each version the count and the cumulative time of every part of its inferences.

Source: Triton's statistics extension. Times in nanoseconds, over all processes, since the server's start.
"""

from collections.abc import Iterable, Mapping

from convserve_service.counting import rows
from convserve_service.counting.tallies import CELLS, LATEST, Key, Tallies
from convserve_wire.replies import VersionStatistics
from convserve_wire.replies.triton import Computing, Duration

NONE: list[int] = [0] * CELLS
NEVER: Duration = {"count": 0, "ns": 0}  # there is no cache of replies


def statistics(tallies: Tallies, model: str, versions: Iterable[int], newest: int | None) -> list[VersionStatistics]:
    """Of each version that answered since the start, and of the newest whether it did or not, in order."""
    found = tallies.read(rows.VERSION, model)
    sizes = tallies.read(rows.SIZE, model)
    return [
        _of_version(model, version, found.get((rows.VERSION, model, str(version)), NONE), sizes)
        for version in versions
        if version == newest or (rows.VERSION, model, str(version)) in found
    ]


def _of_version(model: str, version: int, row: list[int], sizes: Mapping[Key, list[int]]) -> VersionStatistics:
    count = row[rows.COUNT]
    mine = sorted((int(key[3]), cells) for key, cells in sizes.items() if key[2] == str(version))
    return {
        "name": model,
        "version": str(version),
        "last_inference": row[LATEST],
        "inference_count": row[rows.IMAGES],
        "execution_count": count,
        "inference_stats": {
            "success": _duration(count, row[rows.TOTAL]),
            "fail": _duration(row[rows.FAILED], row[rows.FAILED_TOTAL]),
            "queue": _duration(count, row[rows.QUEUE]),
            **_computing(row),
            "cache_hit": NEVER,
            "cache_miss": NEVER,
        },
        "response_stats": {},
        "batch_stats": [{"batch_size": size, **_computing(cells)} for size, cells in mine],
        "memory_usage": [],
    }


def _computing(row: list[int]) -> Computing:
    count = row[rows.COUNT]
    return {
        "compute_input": _duration(count, row[rows.INPUT]),
        "compute_infer": _duration(count, row[rows.INFER]),
        "compute_output": _duration(count, row[rows.OUTPUT]),
    }


def _duration(count: int, nanoseconds: int) -> Duration:
    return {"count": count, "ns": nanoseconds}
