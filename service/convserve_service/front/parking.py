"""Where connections wait: the kernel says when there is something to do for one, to one thread only."""

import select
from collections.abc import Callable
from contextlib import suppress

from convserve_service.front.connection import Connection


class Parking:
    """All connections of a worker, parked or in the hands of a thread; `tell` hears how many they are.

    Between being released and armed again, a connection may be claimed and closed; then there is nothing to arm.
    """

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._epoll = select.epoll()
        self._all: dict[int, Connection] = {}
        self._tell = tell

    def __len__(self) -> int:
        return len(self._all)

    def every(self) -> list[Connection]:
        return list(self._all.values())

    def admit(self, connection: Connection) -> None:
        """Park a new one."""
        self._all[connection.fd] = connection
        self._epoll.register(connection.fd, select.EPOLLIN | select.EPOLLONESHOT)
        self._tell(len(self._all))

    def park(self, connection: Connection) -> None:
        """Give back a claimed one."""
        event = select.EPOLLOUT if connection.ready else select.EPOLLIN
        connection.claim.release()
        with suppress(OSError):
            self._epoll.modify(connection.fd, event | select.EPOLLONESHOT)

    def remove(self, connection: Connection) -> None:
        """Close a claimed one; nobody can claim it again."""
        del self._all[connection.fd]
        connection.close()
        self._tell(len(self._all))

    def claim(self, connection: Connection) -> bool:
        """Take it, if nobody has it."""
        return connection.claim.acquire(blocking=False)

    def next(self) -> Connection | None:
        """Wait for one that has something to do, and take it; None where somebody else did."""
        for fd, _ in self._epoll.poll(maxevents=1):
            connection = self._all.get(fd)
            if connection is not None and self.claim(connection):
                return connection
        return None

    def evict(self) -> None:
        """Close the one that is parked and has the least time left, to make room."""
        for connection in sorted(self.every(), key=lambda connection: connection.pace.deadline):
            if self.claim(connection):
                self.remove(connection)
                break
