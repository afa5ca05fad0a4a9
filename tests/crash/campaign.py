"""The campaign: load, kill, look; again and again; at its end the whole history recomputed."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

from tests.crash import fitting
from tests.crash.caller import Caller
from tests.crash.gate import Gate
from tests.crash.inspection import Inspector
from tests.crash.ledger import Ledger
from tests.crash.leftovers import Leftovers
from tests.crash.load import Load
from tests.crash.messages import Write
from tests.crash.replay import compare_fits, replay_writes, start_fits
from tests.crash.service import KINDS, RESTARTED, Service
from tests.crash.subjects import FITTED, SPECIFICATIONS, Subject, specification, subject
from tests.crash.writers import settle

KEEP = 50
MANY = 1000  # the fresh server keeps every state that is asked for again
LOAD_SECONDS = (0.05, 0.7)
AFTER_SECONDS = 0.1  # the clients go on for so long after a kill


class Campaign:
    """`say` gets one line for each kill, and the summary."""

    def __init__(self, folder: Path, seed: int, say: Callable[[str], object]) -> None:
        self._folder = folder
        self._seed = seed
        self._say = say
        self._ledger = Ledger()

    def run(self, kills: int) -> None:
        """BrokenPromise at the first promise that was not kept."""
        began = time.monotonic()
        with (
            serving(self._folder / "data", self._folder / "service.log", KEEP) as service,
            closing(Caller(lambda: service.url)) as caller,
        ):
            subjects = self._prepare(caller)
            random = Random(f"{self._seed} kills")
            inspector = Inspector(caller, self._ledger, subjects, Leftovers(service.blobs), KEEP, random)
            load = Load(lambda: service.url, subjects, self._ledger, self._seed)
            for number in range(kills):
                told = self._round(KINDS[number % len(KINDS)], service, load, inspector, random)
                self._say(f"{number + 1:>4} {told}")
            load.finish()
            inspector.inspect(restarted=False)
        attacked = time.monotonic() - began
        self._say(f"{kills} kills in {attacked:.0f} s; now the same requests on a server that nobody kills")
        self._recompute(subjects, inspector)
        for what, count in sorted(self._ledger.counts.items()):
            self._say(f"{count:>8,} {what}")
        self._say(f"every promise was kept ({time.monotonic() - began:.0f} s)")

    def _prepare(self, caller: Caller) -> list[Subject]:
        open_gate = Gate()
        open_gate.open()
        settle(fitting.dataset(), caller, open_gate, self._ledger)
        found = []
        for name in SPECIFICATIONS:
            settle(creation(name), caller, open_gate, self._ledger)
            found.append(subject(name, caller.get(f"/v2/models/{name}/weights").content))
        return found

    def _round(self, kind: str, service: Service, load: Load, inspector: Inspector, random: Random) -> str:
        """Load, a kill, and the checks; returns what there is to tell."""
        load.gate.open()
        time.sleep(random.uniform(*LOAD_SECONDS))
        load.check()
        service.strike(kind, random)
        time.sleep(AFTER_SECONDS)
        load.gate.close()
        away = service.recover()
        load.gate.wait_quiet()
        load.check()
        began = time.monotonic()
        versions, untold = inspector.inspect(restarted=kind in RESTARTED)
        self._ledger.count("applied, but not told", untold)
        return (
            f"{kind:<8} away {away:4.2f} s, {versions:>6,} versions, {untold} of them applied but not yet told,"
            f" checked in {time.monotonic() - began:4.2f} s"
        )

    def _recompute(self, subjects: list[Subject], inspector: Inspector) -> None:
        with (
            serving(self._folder / "again", self._folder / "again.log", MANY) as service,
            closing(Caller(lambda: service.url)) as caller,
        ):
            start_fits(caller, creation(FITTED), self._ledger)
            for each in subjects:
                if each.name != FITTED:
                    self._same(each.name, replay_writes(caller, each, self._ledger), inspector)
            self._same(FITTED, compare_fits(caller, self._ledger, inspector.histories[FITTED]), inspector)

    def _same(self, model: str, count: int, inspector: Inspector) -> None:
        self._say(
            f"{model}: {count:,} of {len(inspector.histories[model]):,} versions could be compared, and are the same"
        )


@contextmanager
def serving(data_dir: Path, log: Path, keep: int) -> Iterator[Service]:
    """A service until the block ends; where it ends with an error, nothing of it is left running."""
    with log.open("w") as file:
        service = Service(data_dir, file, "--keep", str(keep))
        try:
            yield service
        except BaseException:
            service.abandon()
            raise
        service.stop()


def creation(name: str) -> Write:
    """The request that creates a model."""
    return Write(f"create-{name}", "create", name, "PUT", f"/v2/models/{name}", specification(name))
