"""A stream of events over as many connections as it takes, as a browser's EventSource reads one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

from convserve_client.events import Event, parse
from convserve_client.patience import FAILURES, PAUSE, Patience

Connect = Callable[[Mapping[str, str]], AbstractContextManager[Iterator[str] | None]]


def follow(connect: Connect, patience: Patience) -> Iterator[Event]:
    """Every event in order until the server says that there is nothing more (204).

    `connect` opens a stream with the headers given and yields its lines. After it closes, breaks or is refused for
    a while, the next one begins after the last event that was read whole.
    """
    last, pause = "", PAUSE
    while True:
        try:
            with connect({"Last-Event-ID": last} if last else {}) as lines:
                patience.heard()
                if lines is None:
                    return
                for event in parse(lines):
                    patience.heard()
                    last = last if event.id is None else event.id
                    pause = pause if event.retry is None else event.retry
                    if event.data:
                        yield event
        except FAILURES as failure:
            patience.bear(failure, pause)
        else:
            patience.sleep(pause)
