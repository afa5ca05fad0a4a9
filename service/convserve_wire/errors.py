"""The errors of the wire: bytes that do not follow the protocol.

WireError
├── TensorError            one tensor: shape, datatype, size or values
├── TooLarge               more bytes or rows than the server takes
├── UnsupportedEncoding    a Content-Encoding that is neither gzip nor deflate
└── NonFiniteOutput        a NaN or infinity that JSON cannot carry
"""


class WireError(Exception):
    """What was got, what was expected, what to do; `where` names the field to blame, as in `inputs[0].shape`."""

    def __init__(self, message: str, where: str | None = None) -> None:
        super().__init__(message)
        self.where = where


class TensorError(WireError): ...


class TooLarge(WireError): ...


class UnsupportedEncoding(WireError): ...


class NonFiniteOutput(WireError): ...
