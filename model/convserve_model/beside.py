"""Calls of a plan that are made beside those that follow."""

from collections import deque
from itertools import count
from threading import Lock

from convserve_model.calls import make
from convserve_model.protocols import Call, Later, Sides


class Beside:
    """They are begun and waited for in order, by calls of the plan."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._begun: deque[Begun] = deque()

    def begin(self, later: Later) -> None:
        assert self._sides.begin is not None
        begun = Begun(later)
        self._begun.append(begun)
        self._sides.begin(begun)

    def wait(self) -> None:
        """For those that were begun first, and at work on them and on others. Who waits for what failed is told,
        until it is given up."""
        first, *others = self._begun
        first.work()
        if others and not first.ended:
            others[0].work()
        first.end()
        self._begun.popleft()

    def stop(self) -> None:
        """All of it is given up: what is left is not made, and nobody is at it."""
        while self._begun:
            self._begun[0].stop()
            self._begun.popleft()


class Begun:
    """Parts that several threads take one by one; who makes the last one makes what is after them."""

    def __init__(self, later: Later) -> None:
        assert later.parts
        self._later = later
        self._next, self._done = count(), count(1)  # atomic
        self._failure: BaseException | None = None
        self._under_way = Lock()
        self._under_way.acquire()

    @property
    def ended(self) -> bool:
        return not self._under_way.locked()

    def work(self) -> None:
        """Makes parts that nobody has begun."""
        while self._step():
            pass

    def end(self) -> None:
        """When nobody is at it any more: raises what a part has raised."""
        with self._under_way:
            pass
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Nobody begins what is left, and nobody is at it any more."""
        self._failure = Stopped()
        self.work()
        with self._under_way:
            self._failure = None  # which knows this frame

    def _step(self) -> bool:
        later, position = self._later, next(self._next)
        if position >= len(later.parts):
            return False
        self._make(later.parts[position])
        if next(self._done) == len(later.parts):
            self._make(later.after)
            self._later = NOTHING  # it may lie in a queue for a while
            self._under_way.release()
        return True

    def _make(self, calls: list[Call]) -> None:
        if self._failure is None:
            try:
                make(calls)
            except BaseException as error:
                self._failure = error


class Stopped(Exception):
    """Nobody waits for it any more."""


NOTHING = Later([], [])
