"""What the memory of a server's processes did."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median

from bench.processes import members, memory

WARM = 0.3  # of a run: caches fill, and jobs and versions come to their limits
ALLOWED = 0.05  # of growth between the medians of the second third and of the last
ALLOWED_BYTES = 4 << 20


@dataclass
class Growth:
    """Resident bytes of each process of a session, sampled now and then."""

    session: int
    samples: dict[int, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))

    def sample(self) -> None:
        now = time.monotonic()
        for pid in members(self.session):
            try:
                self.samples[pid].append((now, memory(pid).resident))
            except OSError:  # it ended
                continue

    def changes(self) -> dict[int, tuple[float, float]]:
        """(MB in the middle of the run, MB at its end) of each process, medians, without its first WARM."""
        found = {}
        for pid, samples in self.samples.items():
            kept = [size / 1e6 for _, size in samples[int(WARM * len(samples)) :]]
            half = len(kept) // 2
            found[pid] = median(kept[:half] or kept), median(kept[half:])
        return found

    def grown(self) -> list[str]:
        """The processes that are larger at the end than ALLOWED says."""
        return [
            f"process {pid} grew from {middle:.1f} to {end:.1f} MB"
            for pid, (middle, end) in self.changes().items()
            if end - middle > max(ALLOWED * middle, ALLOWED_BYTES / 1e6)
        ]
