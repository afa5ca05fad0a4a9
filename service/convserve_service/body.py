"""The request's body and headers, read once, within the limits."""

import hashlib
import re
from typing import NamedTuple

from flask import Request
from werkzeug.http import parse_options_header

from convserve_service.errors import PreconditionError
from convserve_service.store.records import Key
from convserve_wire.compression import decompress

KEY = re.compile(r"[\x21-\x7e]{1,255}")
JSON = re.compile(rb"[ \t\r\n]*[{\[]")  # how a document of more than one value begins
NUMBER = re.compile(r"[1-9][0-9]{0,17}")
GIVEN_LENGTH = "HTTP_INFERENCE_HEADER_CONTENT_LENGTH"  # as WSGI names it


class Body(NamedTuple):
    """The decoded bytes and what belongs to them."""

    data: bytes
    header_length: str | None
    content_type: str

    @property
    def media_type(self) -> str:
        """Of its Content-Type, in lower case."""
        return parse_options_header(self.content_type)[0].lower()

    @property
    def json_length(self) -> int:
        """How many bytes of it may be JSON: none, a header as long as is said, or all."""
        if not JSON.match(self.data):
            return 0
        header, length = self.header_length or "", len(self.data)
        return min(int(header), length) if NUMBER.fullmatch(header) else length


def read(request: Request, limit: int) -> Body:
    """The body, decompressed; the limits of werkzeug and of `decompress` hold before memory is taken."""
    environ = request.environ
    data = decompress(request.get_data(cache=True), environ.get("HTTP_CONTENT_ENCODING"), limit)
    return Body(data, environ.get(GIVEN_LENGTH), environ.get("CONTENT_TYPE", ""))


def idempotency_key(request: Request, body: Body, owner: str) -> Key | None:
    """The Idempotency-Key of an API key, with the fingerprint of what came with it; quoted or bare is the same key."""
    text = request.headers.get("Idempotency-Key")
    if text is None:
        return None
    value = _unquote(text)
    if not KEY.fullmatch(value):
        raise PreconditionError("Idempotency-Key must be 1 to 255 visible ASCII characters", "Idempotency-Key")
    sha = hashlib.sha256()
    for part in (request.method, request.path, request.query_string.decode("latin-1"), body.header_length or ""):
        sha.update(part.encode() + b"\0")
    sha.update(body.data)
    return Key(owner, value, sha.digest())


def if_match(request: Request) -> int | None:
    """The version in If-Match: exactly one number, quoted or bare."""
    text = request.headers.get("If-Match")
    if text is None:
        return None
    if not NUMBER.fullmatch(_unquote(text)):
        raise PreconditionError(
            f'If-Match is {text[:40]!r}, but it must be one version number, such as "41"', "If-Match"
        )
    return int(_unquote(text))


def refuse_if_match(request: Request) -> None:
    """Verbs that make no new state of an existing model take no If-Match."""
    if "If-Match" in request.headers:
        raise PreconditionError("this verb takes no If-Match; remove the header", "If-Match")


def _unquote(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text
