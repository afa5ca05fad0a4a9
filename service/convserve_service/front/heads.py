"""What gunicorn's parser made of the last head of a connection, for the next request that has the same.

A client that stays sends the same head again and again, but for the length of its body. The same bytes mean the same:
they are parsed once.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

KEPT_BYTES = 4096  # of a head; what is made of it takes some times as many, for each connection


class Head(NamedTuple):
    """`before` and `after` are its bytes around the digits of the body's length; without a body all is in `after`.

    `request` is gunicorn's, `environ` that of WSGI, both without a body.
    """

    before: bytes
    after: bytes
    request: Any
    environ: Mapping[str, Any]

    def repeated(self, head: bytes, digits: tuple[int, int]) -> bool:
        """Whether a head is this one, but for the length of its body."""
        start, stop = digits
        return head[:start] == self.before and head[stop:] == self.after
