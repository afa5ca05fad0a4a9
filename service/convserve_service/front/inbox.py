"""What a client sent and nobody took: in the kernel's buffer while it fits there, then in memory."""

import socket
import struct
from contextlib import suppress

from convserve_service.front.arrival import START, Arrival, Bytes, advance
from convserve_service.front.heads import KEPT_BYTES

KERNEL_BYTES = 64 << 10  # of a body; the kernel makes its buffer large enough for what SO_RCVLOWAT asks for
GLANCE = 16 << 10
PEEK = 128 << 10  # a head and KERNEL_BYTES fit
SO_TIMESTAMPNS = 35  # socket(7): with what is received, the kernel says when it came
STAMP = struct.Struct("@ll")  # seconds, nanoseconds
GATHER = 256 << 10  # at a time, so that nobody's large body keeps others waiting


def stamp(listener: socket.socket) -> None:
    """Have what comes on its connections stamped, where the system does that."""
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


class Inbox:
    """One request after the other, from a socket that does not block; a body may have `most` bytes."""

    def __init__(self, sock: socket.socket, most: int) -> None:
        self._sock = sock
        self._most = most
        self._taken = bytearray()
        self._seen = 0
        self._ended = False
        self._asked = 1
        self._last: tuple[bytes, Arrival] = b"", START  # a head that may come again, and what is known of its request
        self.arrival = START
        self.came = (
            0  # when the kernel had the last byte that was taken, in ns since the epoch; 0 where it does not say
        )

    @property
    def whole(self) -> bool:
        """Whether all of a request was there at the last look."""
        return self.arrival.whole(self._seen)

    @property
    def unseen(self) -> bool:
        """Whether there is something in memory that was not looked at: the kernel does not know of it."""
        return bool(self._taken) and not self._seen

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return len(self._taken)

    def look(self) -> int:
        """How many bytes are new; EOFError where a request will never be whole.

        Where they are too few, the kernel wakes nobody before there are as many as are needed at least.
        """
        data = self._gathered() if self._taken else self._peeked()
        new, self._seen = len(data) - self._seen, len(data)
        head, known = self._last
        again = self.arrival is START and head and data.startswith(head)
        self.arrival = advance(known if again else self.arrival, data, self._most)
        if self.whole or not self._seen:
            return new
        if self._ended:
            raise EOFError
        fits = self.arrival.head + KERNEL_BYTES
        if not self._taken and (not new or self._seen >= fits):  # the kernel will hold no more of it, or it has ended
            self._taken += self._sock.recv(self._seen)
        self._ask(self.arrival.least - self._seen if self._taken else min(self.arrival.least, fits))
        return new

    def take(self) -> tuple[bytes, bytes]:
        """The head and the body, as they were sent, of a request that is whole; then it is the next one's turn."""
        arrival, length = self.arrival, self.arrival.least
        data: Bytes = self._taken or self._received(length)
        view = memoryview(data)
        head, body = bytes(view[: arrival.head]), bytes(view[arrival.head : length])
        self._taken = bytearray(view[length:])
        self._last = (b"", START) if arrival.chunk or len(head) > KEPT_BYTES else (head, arrival)
        self.arrival, self._seen = START, 0
        self._ask(1)
        return head, body

    def forget(self) -> None:
        """What is in memory is of no use any more."""
        self._taken = bytearray()

    def discard(self) -> None:
        """Throw away what came; EOFError where no more can come."""
        with suppress(BlockingIOError):
            if not self._sock.recv(GATHER):
                raise EOFError

    def _peeked(self) -> bytes:
        try:
            data = self._sock.recv(GLANCE, socket.MSG_PEEK)
            if len(data) == GLANCE:
                data = self._sock.recv(PEEK, socket.MSG_PEEK)
        except BlockingIOError:
            return b""
        if not data:
            raise EOFError
        return data

    def _gathered(self) -> bytearray:
        """What was taken and what came since; nothing beyond the end of a request whose end is known."""
        missing = self.arrival.least - len(self._taken) if self.arrival.ends else GATHER
        try:
            more = self._receive(min(missing, GATHER))
        except BlockingIOError:
            return self._taken
        self._ended = not more
        self._taken += more
        return self._taken

    def _received(self, length: int) -> bytes:
        data = self._receive(length)
        while len(data) < length:  # urgent data can cut it
            more = self._receive(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def _receive(self, most: int) -> bytes:
        data, said, _, _ = self._sock.recvmsg(most, socket.CMSG_SPACE(STAMP.size))
        for level, kind, stamp in said:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = STAMP.unpack(stamp)
                self.came = seconds * 1_000_000_000 + nanoseconds
        return data

    def _ask(self, least: int) -> None:
        least = max(1, min(least, 2 * KERNEL_BYTES))
        if least != self._asked:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
            self._asked = least
