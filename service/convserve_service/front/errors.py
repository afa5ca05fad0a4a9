"""Why a request does not reach the application, where gunicorn's parser does not say it.

Refused
├── TooSlow         the request did not come in time
├── HeadTooLarge    a head beyond what is kept of one
├── BodyTooLarge    a body beyond the service's limit
├── ChunksTooSmall  a body that is mostly its framing
├── UnknownCoding   a Transfer-Encoding other than chunked
├── Ambiguous       a head that can be read in two ways
├── NoRoom          too many bytes of too many clients
└── Stopping        the server will not be there when the rest comes
"""


class Refused(Exception):
    """What was got, what was expected, what to do."""


class TooSlow(Refused): ...


class HeadTooLarge(Refused): ...


class BodyTooLarge(Refused): ...


class ChunksTooSmall(Refused): ...


class UnknownCoding(Refused): ...


class Ambiguous(Refused): ...


class NoRoom(Refused): ...


class Stopping(Refused): ...
