"""Replies: JSON for people, the V2 envelope for tensors, and the stored ones of writers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from flask import Request as HttpRequest
from flask import Response
from werkzeug.datastructures import Headers
from werkzeug.wsgi import ClosingIterator

from convserve_service.body import refuse_if_match
from convserve_service.live import Live
from convserve_service.store.records import Reply, VersionRow
from convserve_wire.compression import compress
from convserve_wire.envelope import HEADER_LENGTH, Request, encode_reply
from convserve_wire.replies import Written
from convserve_wire.tensors import Tensor

MODEL_VERSION = "Convserve-Model-Version"


class Whole(Response):
    """All of it is there: nothing is left to do for its headers, for it has its length and leads nowhere else."""

    response: list[bytes]

    def __init__(self, body: bytes, status: int, headers: Iterable[tuple[str, str]]) -> None:
        said = Headers()
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            said.add(name, value)
        super().__init__([body], status, said)

    def get_wsgi_headers(self, environ: Any) -> Headers:
        return self.headers

    def get_app_iter(self, environ: Any) -> Iterable[bytes]:
        """Its bytes; the server leaves them out where a reply may have none."""
        return ClosingIterator(self.response, self.close) if self._on_close else self.response


def json(members: Mapping[str, Any] | Sequence[Any], status: int = 200, version: int | None = None) -> Response:
    """A JSON object, arrays as nested lists; with the version that was used."""
    body = orjson.dumps(members, option=orjson.OPT_SERIALIZE_NUMPY)
    return Whole(body, status, _headers("application/json", version=None if version is None else str(version)))


def tensors(request: HttpRequest, decoded: Request[Any], live: Live, outputs: Sequence[Tensor]) -> Response:
    """The outputs of one version in the form that was asked for."""
    version = str(live.version.version)
    body, length = encode_reply({"model_name": live.row.name, "model_version": version}, outputs, decoded)
    return send(request, Reply(200, body, _content_type(length), length, version))


def file(request: HttpRequest, body: bytes, digest: str, media_type: str = "application/octet-stream") -> Response:
    """Bytes as they are, under their digest as ETag; 304 to who has them."""
    refuse_if_match(request)
    response = Response(body, mimetype=media_type)
    response.set_etag(digest)
    response.make_conditional(request)
    return response


def picture(png: bytes, live: Live) -> Response:
    """A PNG that was made with one version."""
    response = Response(png, mimetype="image/png")
    response.headers[MODEL_VERSION] = str(live.version.version)
    return response


def wanted(request: HttpRequest, media_type: str) -> bool:
    """Whether the request would rather have this media type than JSON."""
    return request.accept_mimetypes.best_match(("application/json", media_type)) == media_type


def written(row: VersionRow, steps: int, decoded: Request[Any] | None = None, losses: Sequence[Tensor] = ()) -> Reply:
    """What a writer gets: the version that it made and its digests, and the losses where there are any."""
    members: Written = {
        "model_name": row.model,
        "model_version": str(row.version),
        "step": row.step,
        "steps": steps,
        "digest": row.digest,
        "weights_digest": row.weights_digest,
    }
    if decoded is None:
        body, length = orjson.dumps(members), None
    else:
        body, length = encode_reply(members, losses, decoded)
    return Reply(200, body, _content_type(length), length, str(row.version))


def plain(members: Mapping[str, Any], status: int = 200, version: int | None = None) -> Reply:
    """A JSON reply of a writer."""
    return Reply(status, orjson.dumps(members), model_version=None if version is None else str(version))


def send(request: HttpRequest, reply: Reply) -> Response:
    """A reply as it was made or stored, compressed where gzip or deflate alone is asked for."""
    headers = _headers(reply.content_type, length=reply.header_length, version=reply.model_version)
    response = Whole(reply.body, reply.status, headers)
    encoding = request.environ.get("HTTP_ACCEPT_ENCODING", "").strip().lower()
    if encoding in ("gzip", "deflate"):
        response.set_data(compress(reply.body, encoding))
        response.headers["Content-Encoding"] = encoding
        response.headers["Vary"] = "Accept-Encoding"
    return response


def _headers(content_type: str, *, length: str | None = None, version: str | None = None) -> list[tuple[str, str]]:
    """Those of a reply, as far as there is something to say."""
    named = (("Content-Type", content_type), (HEADER_LENGTH, length), (MODEL_VERSION, version))
    return [(name, value) for name, value in named if value is not None]


def _content_type(header_length: str | None) -> str:
    return "application/json" if header_length is None else "application/octet-stream"
