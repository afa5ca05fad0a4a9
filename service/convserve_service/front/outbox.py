"""What a client did not take yet of its reply: a thread leaves it here, and never waits for a reader."""

import socket

AT_ONCE = 64  # parts in one system call


class Outbox:
    """What a reply is written to; the socket does not block."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._parts: list[memoryview] = []
        self._started = False

    @property
    def waiting(self) -> bool:
        return bool(self._parts)

    @property
    def held(self) -> int:
        """Bytes that wait."""
        return sum(map(len, self._parts))

    def sendall(self, data: bytes) -> None:
        """The next part of a reply. The first, which is its head, goes with the second."""
        if data:
            self._parts.append(memoryview(data))
        if self._started:
            self.push()
        self._started = True

    def finish(self) -> None:
        """That was the whole reply."""
        self._started = False
        self.push()

    def push(self) -> int:
        """Send what the kernel takes now; how many bytes that was."""
        moved = 0
        while self._parts:
            try:
                sent = self._sock.sendmsg(self._parts[:AT_ONCE])
            except BlockingIOError:
                break
            moved += sent
            self._forget(sent)
        return moved

    def _forget(self, sent: int) -> None:
        parts = self._parts
        while parts and sent >= len(parts[0]):
            sent -= len(parts.pop(0))
        if sent:
            parts[0] = parts[0][sent:]
