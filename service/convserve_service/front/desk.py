"""The threads that answer: what is done with a connection that has something to do."""

import threading
import time
from collections.abc import Callable
from typing import Any

from gunicorn.http.errors import NoMoreData

from convserve_service import waiting
from convserve_service.front import calling
from convserve_service.front.baton import Baton
from convserve_service.front.connection import Connection
from convserve_service.front.errors import NoRoom, Stopping, TooSlow
from convserve_service.front.parking import Parking
from convserve_service.logs import log

Step = Callable[[Connection, float], None]


class Desk:
    """`config` is gunicorn's; connections may hold `most` bytes together; `wake` wakes the main loop."""

    def __init__(
        self, application: calling.Application, config: Any, parking: Parking, most: int, wake: Callable[[], None]
    ) -> None:
        self._application = application
        self._config = calling.plain(config)
        self._parking = parking
        self._most = most
        self._wake = wake
        self._free: set[int] = set()
        self._wanted = False
        self.baton = Baton(wake)
        self.closing = False  # every reply is the last of its connection

    def open(self, threads: int) -> None:
        for number in range(threads):
            threading.Thread(target=self._work, name=f"request-{number}", daemon=True).start()

    def free(self) -> bool:
        """Whether a thread has nothing to do; where none has, the first that does wakes the main loop."""
        self._wanted = not self._free
        return bool(self._free)

    def patrol(self, now: float) -> None:
        """See to every parked connection whose time is over."""
        for connection in self._parking.every():
            if connection.pace.deadline < now and self._parking.claim(connection):
                self._use(connection, self._expire)

    def _work(self) -> None:
        """What a thread does all its life."""
        me = threading.get_ident()
        while True:
            self._free.add(me)
            if self._wanted:
                self._wanted = False
                self._wake()
            self.baton.take()
            connection = self._parking.next()
            self._free.discard(me)
            if connection is not None:
                self._use(connection, self._advance)

    def _use(self, connection: Connection, step: Step) -> None:
        """A step of a claimed connection; then it is parked again, or gone."""
        now = time.monotonic()
        try:
            try:
                step(connection, now)
            except NoMoreData as error:  # an OSError to Python, but about what was sent
                connection.refuse(error, now)
            except (EOFError, OSError):
                raise
            except Exception as error:
                connection.refuse(error, now)
        except Exception as error:
            if not isinstance(error, (EOFError, OSError)):
                log.error("a connection failed", client=connection.client[0], exc_info=error)
            self._parking.remove(connection)
        else:
            self._parking.park(connection)

    def _advance(self, connection: Connection, now: float) -> None:
        """Take and send what can be taken and sent, and answer a request that is whole."""
        held, kind = connection.held, ""
        began = self.baton.begin()
        try:
            if connection.turn(now):
                asked = calling.parse(self._config, connection)
                kind = asked.kind
                self.baton.expect(kind)
                waiting.tell(max(0, time.time_ns() - connection.inbox.came) if connection.inbox.came else 0)
                keep = calling.call(self._application, asked, connection, last=self.closing)
                connection.replied(keep, now := time.monotonic())
            if connection.held > held:
                self._relieve(connection, now)
        finally:
            self.baton.end(kind, began)

    def _expire(self, connection: Connection, now: float) -> None:
        """Its time is over, unless it only waits for a thread."""
        if connection.turn(now):
            connection.pace.begin(now)
        elif connection.pace.deadline < now:
            if connection.sending or connection.closing or not connection.begun:
                raise EOFError
            if self.closing:
                raise Stopping("the server is stopping; send the request again in a second")
            raise TooSlow("the rest of the request did not come in time; send it faster, or less at once")

    def _relieve(self, connection: Connection, now: float) -> None:
        """While too many bytes of more than one client wait in memory, send the slowest away."""
        while True:
            holding = {other: other.held for other in self._parking.every() if other.held}
            if len(holding) < 2 or sum(holding.values()) <= self._most:
                return
            slowest = min(holding, key=lambda other: other.pace.deadline)
            if slowest is connection:
                _send_away(connection, now)
            elif self._parking.claim(slowest):
                self._use(slowest, _send_away)
            else:
                return


def _send_away(connection: Connection, now: float) -> None:
    raise NoRoom("too many clients send or take too much at once; repeat in a second")
