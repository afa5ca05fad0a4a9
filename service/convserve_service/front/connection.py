"""One connection: requests come in, replies go out, and it ends in peace. Nothing here blocks."""

import socket
import threading
from typing import Any, NamedTuple

from convserve_service.front import refusals
from convserve_service.front.heads import Head
from convserve_service.front.inbox import Inbox
from convserve_service.front.outbox import Outbox
from convserve_service.front.pace import Pace

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LINGER_SECONDS = 2.0  # RFC 9112, 9.6: to close at once would destroy what the client has not read yet


class Terms(NamedTuple):
    """What a client may do. Sizes in bytes, times in seconds."""

    body: int  # the largest
    seconds: float  # for a head, and to fall behind `rate`
    rate: float  # bytes per second of a body or a reply
    idle: float  # between two requests
    connections: int  # of a worker
    held: int  # bytes of all its connections together, in memory


class Connection:
    """Whoever holds `claim` may use it; it is parked while nobody does."""

    def __init__(self, sock: socket.socket, client: Any, server: Any, terms: Terms, now: float) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._idle = terms.idle
        self.fd = sock.fileno()
        self.client, self.server = client, server
        self.inbox, self.outbox = Inbox(sock, terms.body), Outbox(sock)
        self.claim = threading.Lock()
        self.pace = Pace(terms.seconds, terms.rate)
        self.pace.begin(now)
        self.head: Head | None = None  # the last one, where it may come again
        self.begun = False
        self.closing = False
        self._keep = True
        self._continued = False

    @property
    def sending(self) -> bool:
        """Whether the client has not taken all of a reply."""
        return self.outbox.waiting

    @property
    def ready(self) -> bool:
        """Whether it waits for nothing but its turn, or room to send; else it waits for bytes."""
        return self.sending or self.inbox.unseen

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return self.inbox.held + self.outbox.held

    def turn(self, now: float) -> bool:
        """Do what can be done now; whether a whole request is there. EOFError and OSError: it is over."""
        if self.sending:
            self.pace.moved(self.outbox.push(), now)
            if self.sending:
                return False
            self._sent(now)
        if self.closing:
            self.inbox.discard()
            return False
        return self._arrived(now)

    def replied(self, keep: bool, now: float) -> None:
        """The reply is made; what is not sent yet has its own time."""
        self._keep = keep
        self.outbox.finish()
        if self.sending:
            self.pace.begin(now)
        else:
            self._sent(now)

    def refuse(self, error: Exception, now: float) -> None:
        """Say so and close. Where a reply has begun there is nothing left to say."""
        if self.sending:
            raise EOFError
        self.inbox.forget()
        self.outbox.sendall(refusals.reply(error, self.client[0]))
        self.replied(False, now)

    def close(self) -> None:
        self._sock.close()

    def _arrived(self, now: float) -> bool:
        knew, new = self.inbox.arrival.head, self.inbox.look()
        if self.inbox.whole:
            return True
        arrival = self.inbox.arrival
        if new and (not self.begun or (arrival.head and not knew)):  # a head has its time, and a body
            self.begun = True
            self.pace.begin(now)
        elif new and arrival.head:
            self.pace.moved(new, now)
        if arrival.waits and not self._continued:
            self._continued = True
            self._sock.send(CONTINUE)
        return False

    def _sent(self, now: float) -> None:
        self.begun = self._continued = False
        if self._keep:
            self.pace.begin(now, self._idle)
        else:
            self.closing = True
            self._sock.shutdown(socket.SHUT_WR)
            self.pace.begin(now, LINGER_SECONDS)
