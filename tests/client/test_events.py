"""Server-Sent Events: the parser as a table, and what becomes of a stream that closes, breaks or is refused."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convserve_client.errors import ConnectionFailed, ConvserveError, NotFound, RequestTimeout, ServerError
from convserve_client.events import Event, lines, parse
from convserve_client.following import follow
from convserve_client.patience import Patience

STREAMS: dict[str, tuple[bytes, list[Event]]] = {
    "nothing": (b"", []),
    "blank lines": (b"\n\n\n", []),
    "one event": (b"id: 1\nevent: progress\ndata: {}\n\n", [Event("{}", "progress", "1")]),
    "two events": (b"data: a\n\ndata: b\n\n", [Event("a"), Event("b")]),
    "comments": (b": hello\n:\n\ndata: a\n: between\n\n", [Event("a")]),
    "CRLF": (b"id: 1\r\ndata: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [Event("a\nb", id="1"), Event("c")]),
    "CR": (b"id: 1\rdata: a\r\rdata: b\r\r", [Event("a", id="1"), Event("b")]),
    "a mixture": (b"data: a\r\ndata: b\rdata: c\n\r\n", [Event("a\nb\nc")]),
    "several lines": (b"data: a\ndata:\ndata:  b\n\n", [Event("a\n\n b")]),
    "no space, one space": (b"data:a\ndata: b\n\n", [Event("a\nb")]),
    "colons in the value": (b'data: {"a": 1}\n\n', [Event('{"a": 1}')]),
    "a field without a colon": (b"data\ndata\n\n", [Event("\n")]),
    "no id, an empty id": (b"data: a\n\nid\ndata: b\n\n", [Event("a", id=None), Event("b", id="")]),
    "an id alone": (b"id: 7\n\n", [Event("", id="7")]),
    "an id with a NUL": (b"id: 1\0\ndata: a\n\n", [Event("a")]),
    "retry": (b"retry: 500\n\nretry: 20\ndata: a\n\n", [Event(retry=0.5), Event("a", retry=0.02)]),
    "a retry that is none": (b"retry: soon\nretry: -1\nretry: 1.5\nretry:\ndata: a\n\n", [Event("a")]),
    "a retry of an hour": (b"retry: 3600000\n\n", [Event(retry=3600)]),
    "a retry of 20 digits": (b"retry: " + b"9" * 20 + b"\n\n", [Event(retry=3600)]),
    "a retry of 5,000 digits": (b"retry: " + b"9" * 5000 + b"\ndata: a\n\n", [Event("a", retry=3600)]),
    "a retry behind 5,000 zeros": (b"retry: " + b"0" * 5000 + b"20\n\n", [Event(retry=0.02)]),
    "a retry in other digits": ("retry: ٣\nretry: ²\ndata: a\n\n".encode(), [Event("a")]),
    "unknown fields": (b"color: red\nDATA: b\ndata: a\n\n", [Event("a")]),
    "an empty kind": (b"event:\ndata: a\n\n", [Event("a", "message")]),
    "a byte order mark": ("\ufeffdata: a\n\n".encode(), [Event("a")]),
    "UTF-8, and what is none": ("data: ä✓".encode() + b"\xff\n\n", [Event("ä✓\ufffd")]),
    "cut before the blank line": (b"data: a\n\nid: 2\ndata: b\n", [Event("a")]),
    "cut in a line": (b"data: a\n\nid: 2\ndata: b", [Event("a")]),
}


@pytest.mark.parametrize(("stream", "events"), STREAMS.values(), ids=STREAMS)
def test_a_stream_is_read_as_the_standard_says(stream: bytes, events: list[Event]) -> None:
    """In one piece or byte by byte, the same events."""
    assert list(parse(lines([stream]))) == events
    assert list(parse(lines(bytes([byte]) for byte in stream))) == events


@given(st.data())
def test_it_does_not_matter_where_a_stream_is_cut_into_chunks(data: st.DataObject) -> None:
    """Any pieces of any of the streams, empty ones too."""
    stream, events = data.draw(st.sampled_from(list(STREAMS.values())))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert list(parse(lines(pieces))) == events


def test_an_event_is_told_when_its_blank_line_is_there() -> None:
    """Not only when the next chunk comes."""
    arrived: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        for chunk in (b"data: a\n", b"\n", b"data: b\n\n"):
            arrived.append(chunk)
            yield chunk

    assert next(parse(lines(chunks()))) == Event("a")
    assert len(arrived) == 2


BUSY = ServerError("busy", status=503, code="busy", retry_after=3.0)
RESTARTING = ServerError("bad gateway", status=502, code="unknown")
BROKEN = ConnectionFailed("broken")
SILENT = RequestTimeout("no answer")
GONE = NotFound("no job", status=404, code="job_not_found")
CLOSED, OVER = None, None


class Service:
    """Connections in order: bytes and how they end (CLOSED or an error), an error at once, or OVER for 204."""

    def __init__(self, *connections: tuple[bytes, ConvserveError | None] | ConvserveError | None) -> None:
        self.left = list(connections)
        self.asked: list[str | None] = []
        self.slept: list[float] = []
        self.now = 0.0

    @contextmanager
    def connect(self, headers: Mapping[str, str]) -> Iterator[Iterator[str] | None]:
        self.asked.append(headers.get("Last-Event-ID"))
        connection = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(connection, ConvserveError):
            raise connection
        yield None if connection is None else lines(self._chunks(*connection))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def events(self) -> list[str]:
        patience = Patience(60, clock=lambda: self.now, sleep=self.sleep)
        return [event.data for event in follow(self.connect, patience)]

    @staticmethod
    def _chunks(data: bytes, end: ConvserveError | None) -> Iterator[bytes]:
        yield data
        if end is not None:
            raise end


ONE, TWO, HALF = b"id: 1\ndata: one\n\n", b"id: 2\ndata: two\n\n", b"id: 2\ndata: t"
START = b"retry: 100\n\n"

CONNECTIONS: dict[str, tuple[Service, Sequence[str], Sequence[str | None], Sequence[float]]] = {
    "nothing to tell": (Service(OVER), [], [None], []),
    "one stream": (Service((START + ONE + TWO, CLOSED), OVER), ["one", "two"], [None, "2"], [0.1]),
    "two streams": (
        Service((START + ONE, CLOSED), (START + TWO, CLOSED), OVER),
        ["one", "two"], [None, "1", "2"], [0.1, 0.1],
    ),
    "a quiet stream": (Service((START, CLOSED), (ONE, CLOSED), OVER), ["one"], [None, None, "1"], [0.1, 0.1]),
    "no retry": (Service((ONE, CLOSED), OVER), ["one"], [None, "1"], [0.5]),
    "no ids": (Service((b"data: a\n\n", CLOSED), OVER), ["a"], [None, None], [0.5]),
    "broken within an event": (
        Service((START + ONE + HALF, BROKEN), (TWO, CLOSED), OVER),
        ["one", "two"], [None, "1", "2"], [0.1, 0.1],
    ),
    "closed within an event": (
        Service((START + ONE + HALF, CLOSED), (TWO, CLOSED), OVER),
        ["one", "two"], [None, "1", "2"], [0.1, 0.1],
    ),
    "silent": (Service((ONE, SILENT), (TWO, CLOSED), OVER), ["one", "two"], [None, "1", "2"], [0.5, 0.5]),
    "busy": (Service(BUSY, (START + ONE, CLOSED), BUSY, OVER), ["one"], [None, None, "1", "1"], [3.0, 0.1, 3.0]),
    "restarted": (
        Service((START + ONE, BROKEN), BROKEN, RESTARTING, (TWO, CLOSED), OVER),
        ["one", "two"], [None, "1", "1", "1", "2"], [0.1] * 4,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("service", "events", "asked", "slept"), CONNECTIONS.values(), ids=CONNECTIONS)
def test_every_event_comes_once_over_many_connections(
    service: Service, events: Sequence[str], asked: Sequence[str | None], slept: Sequence[float]
) -> None:
    """Each connection begins after the last whole event, and none before the wait that the service asks for."""
    assert service.events() == events
    assert service.asked == asked
    assert service.slept == slept


@pytest.mark.parametrize("failure", [BROKEN, RESTARTING, BUSY, SILENT])
def test_a_service_that_stays_away_is_given_up_after_a_minute(failure: ConvserveError) -> None:
    """Of failures in a row: an hour of quiet streams before them does not count."""
    service = Service(*[(b"retry: 60000\n\n", CLOSED)] * 60, (START, CLOSED), failure)
    with pytest.raises(type(failure)):
        service.events()
    assert service.now - 3600 == pytest.approx(60, abs=3.2)


def test_a_word_from_the_service_begins_the_minute_anew() -> None:
    """Three failures of 25 seconds with a stream between them are borne."""
    slow = ServerError("busy", status=429, code="busy", retry_after=25.0)
    service = Service(slow, slow, (ONE, CLOSED), slow, slow, (TWO, CLOSED), OVER)
    assert service.events() == ["one", "two"]


def test_a_refusal_is_told_at_once() -> None:
    """What does not pass by itself is not waited for."""
    service = Service((ONE, CLOSED), GONE)
    with pytest.raises(NotFound):
        service.events()
    assert service.asked == [None, "1"]
