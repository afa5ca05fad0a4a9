"""The power cut: a service under load loses the ext4 that its data is on, with all that was not synced.

`python -m tests.crash.power --cuts 10`; it needs root and loop devices. One file system lives through all cuts.
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import click
import requests

from tests.crash.disk import Disk, Unmountable, disk
from tests.crash.writes import ADAM, WEIGHTS
from tests.servers import Server, serving
from tests.service.calls import batch, call

WRITERS = 4
SECONDS = (0.2, 1.2)  # of load before a cut
REPEATED = 10  # of the last replies of each writer
REFUSED = 3  # then a writer gives up


@dataclass
class Writer:
    """One client of one model, that notes each reply; the n-th request of every writer is the same."""

    model: str
    sent: int = 0
    replies: dict[int, requests.Response] = field(default_factory=dict)
    refused: list[requests.Response] = field(default_factory=list)

    def path(self, n: int) -> tuple[str, str, Any]:
        """Method, path and body of the n-th request, counted from 0."""
        if n == 0:
            return "PUT", f"/v2/models/{self.model}", ADAM
        if n % 6 == 5:
            return "PUT", f"/v2/models/{self.model}/aliases/seen", {"version": "1"}
        if n % 6 == 3:
            return "PUT", f"/v2/models/{self.model}/weights", WEIGHTS
        return "POST", f"/v2/models/{self.model}/train", batch(2 + n % 3)

    def send(self, url: str, n: int) -> requests.Response:
        method, path, body = self.path(n)
        return call(method, url + path, body, Idempotency_Key=f"{self.model}-{n}")

    def write(self, url: str, dark: Callable[[], bool]) -> None:
        """Until the power is gone and some more. A reply that comes when it is `dark` proves nothing:

        after the shutdown of an ext4 an fsync that was on its way may succeed with nothing on the disk.
        """
        while len(self.refused) < REFUSED:
            n, self.sent = self.sent, self.sent + 1
            try:
                reply = self.send(url, n)
            except requests.RequestException:
                return
            if not reply.ok:
                self.refused.append(reply)
            elif not dark():
                self.replies[n] = reply

    def wrong(self, url: str, digests: dict[str, tuple[str, str]]) -> Iterator[str]:
        """What of the promises did not hold; `digests` are those that a version has in every model."""
        for reply in self.refused:
            if reply.status_code != 503:
                yield f"{self.model}: without a disk the service answered {reply.status_code} {reply.text}"
        rows = self._history(url)
        if [int(row["version"]) for row in rows] != list(range(len(rows), 0, -1)):
            yield f"{self.model} has the versions {[row['version'] for row in rows]}"
        there = {row["version"]: (row["digest"], row["weights_digest"]) for row in rows}
        for reply in self.replies.values():
            told = reply.json()
            found = there.get(told.get("model_version", ""))
            if "digest" in told and found != (told["digest"], told["weights_digest"]):
                yield f"{self.model}/{told['model_version']} was acknowledged; there is {found}"
        for version, digest in there.items():
            if digests.setdefault(version, digest) != digest:
                yield f"{self.model}/{version} has other digests than the same version of other models"
        yield from self._unreadable(url, rows[:REPEATED])
        yield from self._applied_twice(url)

    def _unreadable(self, url: str, rows: list[dict[str, Any]]) -> Iterator[str]:
        for row in rows:
            weights = call("GET", f"{url}/v2/models/{self.model}/versions/{row['version']}/weights")
            if f"sha256:{sha256(weights.content).hexdigest()}" != row["weights_digest"]:
                yield f"{self.model}/{row['version']} gives {weights.status_code} {weights.text[:200]}"
            if "Convserve-Degraded" in weights.headers:
                yield f"{self.model} is degraded"

    def _applied_twice(self, url: str) -> Iterator[str]:
        """Repeats of what was acknowledged get the stored reply; the rest is applied once, before the cut or now."""
        for n, old in sorted(self.replies.items())[-REPEATED:]:
            new = self.send(url, n)
            if (new.status_code, new.content) != (old.status_code, old.content):
                yield f"{self.model}-{n} was {old.text}, its repeat is {new.text}"
        for n in sorted(set(range(self.sent)) - set(self.replies)):
            first, second = self.send(url, n), self.send(url, n)
            if not first.ok or first.content != second.content:
                yield f"{self.model}-{n} gives {first.text}, then {second.text}"
        made = sum("digest" in self.send(url, n).json() for n in range(self.sent))
        if (there := len(self._history(url))) != made:
            yield f"{self.model} has {there} versions, but {made} requests made one"

    def _history(self, url: str) -> list[dict[str, Any]]:
        reply = call("GET", f"{url}/v2/models/{self.model}/versions?limit=1000")
        rows: list[dict[str, Any]] = reply.json().get("versions", [])
        return rows


def cuts(on: Disk, number: int, seed: int) -> Iterator[tuple[int, list[str]]]:
    """Load, cut, start again, look: the requests acknowledged before each cut, and what is wrong after it."""
    chance, digests, writers = random.Random(seed), {}, []
    for cut in range(number + 1):
        with serving(on.folder / "data", "--workers", "2") as running:
            wrong = [line for writer in writers for line in writer.wrong(running.url, digests)]
            if cut:
                yield sum(len(writer.replies) for writer in writers), wrong
            if cut == number:
                break
            writers = [Writer(f"cut{cut}-{i}") for i in range(WRITERS)]
            _load(running, writers, chance.uniform(*SECONDS), on.cut)
        on.unmount()
        on.mount()


def _load(running: Server, writers: list[Writer], seconds: float, cut: Callable[[], None]) -> None:
    """All writers at once; after some time the power goes, a little later the processes."""
    dark = threading.Event()
    threads = [threading.Thread(target=writer.write, args=(running.url, dark.is_set)) for writer in writers]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    dark.set()
    cut()
    for thread in threads:
        thread.join(1)
    os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()
    for thread in threads:
        thread.join()


@click.command()
@click.option("--cuts", "number", type=int, default=10, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(number: int, seed: int) -> None:
    """Cut the power of a service under load, again and again."""
    failed = 0
    try:
        with disk() as made:
            for cut, (acknowledged, wrong) in enumerate(cuts(made, number, seed), 1):
                click.echo(f"cut {cut}: {acknowledged} acknowledged, {'; '.join(wrong) or 'all there'}")
                failed += bool(wrong)
    except Unmountable as error:
        raise click.ClickException(str(error)) from error
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
