"""Compute threads that share the items of a sequence."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np

from convserve_model.places import Places
from convserve_model.protocols import Work


class Pool:
    """`threads` of them, the caller among them. A caller never waits for an item that nobody has begun."""

    def __init__(self, threads: int) -> None:
        self._jobs: SimpleQueue[Work | None] = SimpleQueue()
        self._workers = [Thread(target=self._work, name="convserve-compute", daemon=True) for _ in range(threads - 1)]
        self.places = Places(self._workers)
        for worker in self._workers:
            worker.start()

    @property
    def threads(self) -> int:
        return len(self._workers) + 1

    def close(self) -> None:
        for _ in self._workers:
            self._jobs.put(None)
        for worker in self._workers:
            worker.join()

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
        """Results in order, each as soon as it and those before it are there; they must be read to the end."""
        if not self._workers or len(items) < 2:
            return map(function, items)
        return self._shared(Job(function, items))

    def begin(self, work: Work) -> None:
        """A thread that has nothing else to do is at it too."""
        self.places.part()
        self._jobs.put(work)

    def _shared(self, job: "Job") -> Iterator[Any]:
        self.places.part()
        for _ in range(min(len(self._workers), len(job.items) - 1)):
            self._jobs.put(job)
        own = 0
        try:
            while job.step():
                own += 1
                yield from job.ready()
            for _ in range(len(job.items) - own):
                job.others.get()
            yield from job.ready()
        except BaseException:
            job.stop()
            raise

    def _work(self) -> None:
        self.places.join()
        with np.errstate(all="ignore"):
            while (job := self._jobs.get()) is not None:
                job.work()
                del job  # and with it what it is about, until the next one comes


class Job:
    """Items that several threads take one by one."""

    def __init__(self, function: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self.items = items
        self.others: SimpleQueue[None] = SimpleQueue()  # an entry for each item that a pool thread has done
        self._function = function
        self._next = count()
        self._results: dict[int, Any] = {}
        self._given = 0

    def take(self) -> int | None:
        """The next item's position; None when all are taken."""
        position = next(self._next)  # atomic
        return position if position < len(self.items) else None

    def step(self) -> bool:
        """Computes one more item; False when all are taken."""
        position = self.take()
        if position is None:
            return False
        try:
            self._results[position] = self._function(self.items[position])
        except BaseException as error:
            self._results[position] = Failure(error)
        return True

    def work(self) -> None:
        """For the caller, in another thread."""
        while self.step():
            self.others.put(None)

    def stop(self) -> None:
        """Nobody begins what is left, and nobody is at it any more: what it works on may be somebody else's next."""
        begun = len(self.items)
        while self.take() is not None:
            begun -= 1
        while self._given + len(self._results) < begun:
            self.others.get()

    def ready(self) -> Iterator[Any]:
        """The results that are next in order; the first failure is raised."""
        while self._given in self._results:
            result = self._results.pop(self._given)
            self._given += 1
            if isinstance(result, Failure):
                try:
                    raise result.error
                finally:
                    del result  # the error knows this frame
            yield result


class Failure:
    """An item that raised."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
