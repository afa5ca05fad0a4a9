"""gunicorn's worker: its main loop accepts and keeps deadlines; everything else is the desk's.

Every connection is parked with the kernel until there is something to do for it. That wakes a thread of the desk, which
does what can be done at once, and calls the application when all of a request has come. So neither a thread nor the
main loop waits for a client, and no request changes threads.
"""

import os
import select
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.base import Worker

from convserve_service.front.connection import Connection, Terms
from convserve_service.front.desk import Desk
from convserve_service.front.inbox import stamp
from convserve_service.front.parking import Parking
from convserve_service.logs import log
from convserve_service.sharing import LOOK_SECONDS, Share

TICK_SECONDS = 0.25  # how exactly deadlines are kept
STOP_SECONDS = 1.0  # a worker that stops still answers what its clients are sending


class ParkingWorker(Worker):  # type: ignore[misc]
    """`terms` and `share` are set before the fork."""

    terms: Terms
    share: Share

    def run(self) -> None:
        """Accept until told to stop; then let the desk finish what it has."""
        self._parking = Parking(self.share.tell)
        self._desk = Desk(self.wsgi, self.cfg, self._parking, self.terms.held, self._wake)
        self._events = select.epoll()
        self._events.register(self.PIPE[0], select.EPOLLIN)
        self._listeners = {listener.fileno(): listener for listener in self.sockets}
        self._listening = False
        for listener in self.sockets:
            stamp(listener)
        self._desk.open(self.cfg.threads)
        patrol = 0.0
        while self.alive and os.getppid() == self.ppid:
            now = time.monotonic()
            if now >= patrol:
                self.notify()
                self._desk.patrol(now)
                patrol = now + TICK_SECONDS
            rests = self.share.rests(len(self._parking), now)
            self._listen(self._desk.free() and not rests)
            self._wait(min(LOOK_SECONDS if rests else TICK_SECONDS, self._desk.baton.watch()))
        self._finish()

    def _finish(self) -> None:
        """Requests that are here are answered, within the time of grace."""
        self._listen(False)
        self._desk.closing = True
        now = time.monotonic()
        soon, end = now + STOP_SECONDS, now + self.cfg.graceful_timeout
        while len(self._parking) and now < end:
            self.notify()
            for connection in self._parking.every():
                if not connection.sending and not connection.closing:
                    connection.pace.deadline = min(connection.pace.deadline, soon)
            self._desk.patrol(now)
            self._wait(min(TICK_SECONDS / 10, self._desk.baton.watch()))
            now = time.monotonic()

    def _listen(self, listening: bool) -> None:
        if listening != self._listening:
            for number in self._listeners:
                if listening:
                    self._events.register(number, select.EPOLLIN)
                else:
                    self._events.unregister(number)
            self._listening = listening

    def _wait(self, seconds: float) -> None:
        for number, _ in self._events.poll(seconds):
            if number in self._listeners:
                self._accept(self._listeners[number])
            else:
                os.read(number, 4096)

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            os.write(self.PIPE[1], b".")

    def _accept(self, listener: Any) -> None:
        now = time.monotonic()
        if self.share.yields(len(self._parking), now):
            return
        if len(self._parking) >= self.terms.connections:
            self._parking.evict()
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # too many open files
            log.warning("a connection cannot be accepted", error=str(error))
            self._parking.evict()
            return
        self._parking.admit(Connection(sock, client, listener.getsockname(), self.terms, now))
