"""Four writers, eight readers and the owner of a job, all at once, until the campaign ends."""

import threading
from collections.abc import Callable
from contextlib import closing
from random import Random

from tests.crash.caller import Caller
from tests.crash.fitting import Fitter
from tests.crash.gate import Gate
from tests.crash.ledger import Ledger
from tests.crash.readers import Reader
from tests.crash.subjects import FITTED, Subject
from tests.crash.writers import Writer, settle

WRITERS = 4
READERS = 8
Work = Callable[[Caller], object]  # one piece of a client's work


class Load:
    """Runs while its gate is open; the first promise that a client saw broken ends all of them."""

    def __init__(self, url: Callable[[], str], subjects: list[Subject], ledger: Ledger, seed: int) -> None:
        self.gate = Gate()
        self._url = url
        self._ledger = ledger
        self._stopping = threading.Event()
        self._failures: list[Exception] = []
        self._threads: list[threading.Thread] = []
        shared = [subject for subject in subjects if subject.name != FITTED]
        for number in range(WRITERS):
            self._start(self._writing(Writer(f"writer-{number}", shared, ledger, Random(f"{seed} writer {number}"))))
        for number in range(READERS):
            self._start(self._reading(Reader(subjects, ledger, Random(f"{seed} reader {number}"))))
        self._start(Fitter(ledger, self.gate, Random(f"{seed} fitter")).run)

    def check(self) -> None:
        """Raise what ended a client."""
        if self._failures:
            raise self._failures[0]

    def finish(self) -> None:
        """Let everybody have the reply that they wait for."""
        self._stopping.set()
        self.gate.open()
        for thread in self._threads:
            thread.join()
        self.check()

    def _writing(self, writer: Writer) -> Work:
        def write(caller: Caller) -> None:
            with self.gate.passing():
                following = writer.next()
            settle(following, caller, self.gate, self._ledger)

        return write

    def _reading(self, reader: Reader) -> Work:
        def read(caller: Caller) -> None:
            with self.gate.passing():
                reader.read(caller)

        return read

    def _start(self, work: Work) -> None:
        thread = threading.Thread(target=self._repeat, args=(work,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _repeat(self, work: Work) -> None:
        try:
            with closing(Caller(self._url)) as caller:
                while not self._stopping.is_set():
                    work(caller)
        except Exception as error:
            self._failures.append(error)
            self._stopping.set()
