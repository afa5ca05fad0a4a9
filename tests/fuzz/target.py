"""The service that is attacked: models, a dataset and jobs as the examples name them, and what must hold afterwards."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from convserve_service.openapi.examples import EXAMPLES
from tests.crash.promises import demand
from tests.processes import descendants
from tests.servers import Server, environment, serving
from tests.service.calls import call
from tests.service.stored import file

MODELS = ("tiny", "other", "victim")
DATASETS = ("rows", "victim")
GROWTH = 64 << 20  # bytes of a process: as much as it keeps of what requests have freed (memory.py); 40 were seen


@dataclass(frozen=True)
class Target:
    """A running service."""

    server: Server

    @property
    def url(self) -> str:
        return self.server.url

    def prepare(self) -> None:
        """Everything that the examples name is there, whatever was deleted meanwhile; nothing trains."""
        for job in call("GET", f"{self.url}/v2/jobs?limit=1000").json()["jobs"]:
            if job["state"] in ("queued", "running"):
                call("POST", f"{self.url}/v2/jobs/{job['job']}/cancel")
        for dataset in DATASETS:
            call("PUT", f"{self.url}/v2/datasets/{dataset}", file())
        for model in MODELS:
            path = f"{self.url}/v2/models/{model}"
            call("POST", f"{self.url}/v2/repository/models/{model}/load")
            if call("PUT", path, EXAMPLES["create"]).status_code == 409:
                call("DELETE", path)
                call("PUT", path, EXAMPLES["create"])
            call("POST", f"{path}/train", EXAMPLES["train"])
            call("PUT", f"{path}/aliases/production", {"version": "1"})
        call("POST", f"{self.url}/v2/models/tiny/fit", EXAMPLES["fit"])

    def memory(self) -> dict[int, int]:
        """Resident bytes by process, of the service and all its children."""
        mine = [self.server.process.pid, *descendants(self.server.process.pid)]
        return {pid: _resident(pid) for pid in mine}

    def whole(self) -> None:
        """BrokenPromise unless it is ready and `convserve verify` finds everything as it was written."""
        ready = call("GET", f"{self.url}/v2/health/ready")
        demand(ready.json() == {"ready": True, "writable": True}, "ready afterwards", ready.text)
        command = [sys.executable, "-m", "convserve_service", "verify", "--data-dir", str(self.server.data_dir)]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
        demand(done.returncode == 0, "the store verifies clean", done.stdout[-2000:] + done.stderr[-2000:])


@contextmanager
def attacked(folder: Path) -> Iterator[Target]:
    """A service of two workers; when the block ends it must be whole, and its workers the same and not much larger."""
    with serving(folder / "data", "--workers", "2", "--keep", "20") as server:
        target = Target(server)
        target.prepare()
        before = target.memory()
        yield target
        target.whole()
        after = target.memory()
        demand(set(after) == set(before), "no process of the service ends", f"{sorted(before)}, now {sorted(after)}")
        growth = max(after[pid] - before[pid] for pid in after)
        demand(growth <= GROWTH, f"no process grows by more than {GROWTH >> 20} MiB", f"{growth >> 20} MiB")


def _resident(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) << 10 if found else 0
